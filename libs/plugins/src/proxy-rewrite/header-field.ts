// visible ASCII but for the colon
const FIELD = /^[!-9;-~]+$/;
const VALUE = /^[ -~]*$/;

/** Source: validate_header_field of apisix/core/utils.lua. */
export function isHeaderField(name: string): boolean {
  return FIELD.test(name);
}

/** Source: validate_header_value of apisix/core/utils.lua. */
export function isHeaderValue(value: string | number): boolean {
  return typeof value === 'number' || VALUE.test(value);
}
