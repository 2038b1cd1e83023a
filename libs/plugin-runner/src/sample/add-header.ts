import { defineExternalPlugin } from '../external-plugin.ts';

type HeaderValues = Readonly<Record<string, string>>;

const DEFAULT_HEADERS: HeaderValues = { 'X-Runner': 'typescript' };

/**
 * Sets request headers. The conf is a JSON object of names and values; an empty one, or none, sets
 * `X-Runner: typescript`.
 */
export default defineExternalPlugin<HeaderValues>({
  name: 'add-header',
  parseConf(value) {
    const conf: unknown = value.trim() === '' ? {} : JSON.parse(value);
    if (!isHeaderValues(conf)) throw new TypeError('the conf must be an object of strings');
    return Object.keys(conf).length === 0 ? DEFAULT_HEADERS : conf;
  },
  onRequest(request, headers) {
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
  },
});

function isHeaderValues(conf: unknown): conf is HeaderValues {
  return (
    typeof conf === 'object' &&
    conf !== null &&
    !Array.isArray(conf) &&
    Object.values(conf).every((value) => typeof value === 'string')
  );
}
