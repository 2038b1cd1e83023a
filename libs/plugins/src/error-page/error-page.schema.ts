import type { PluginDefinition } from '@polygate/plugin-sdk';

export type ErrorPageConf = Readonly<Record<string, never>>;

/** As the metadata holds it, by `error_<status>`. */
export interface ErrorPage {
  readonly body?: string;
  readonly content_type?: string;
}

/** Source: apisix/plugins/error-page.lua. */
export const definition: PluginDefinition<ErrorPageConf> = {
  name: 'error-page',
  version: 0.1,
  priority: 450,
  enabledByDefault: false,
  schema: { type: 'object', properties: {} },
  metadataSchema: {
    type: 'object',
    properties: {
      enable: { type: 'boolean', default: false },
      error_404: page('404 Not Found'),
      error_500: page('500 Internal Server Error'),
      error_502: page('502 Bad Gateway'),
      error_503: page('503 Service Unavailable'),
    },
  },
};

function page(title: string) {
  const lines = [
    '<html>',
    `<head><title>${title}</title></head>`,
    '<body>',
    `<center><h1>${title}</h1></center>`,
    '<hr><center>Apache APISIX</center>',
    '</body>',
    '</html>',
  ];
  return {
    type: 'object',
    properties: {
      body: { type: 'string', default: lines.join('\n') },
      content_type: { type: 'string', default: 'text/html' },
    },
  };
}
