/** Of a value that came as JSON: a text as it is, anything else as it is written in JSON. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
