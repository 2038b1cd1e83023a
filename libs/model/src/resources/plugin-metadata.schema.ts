/** What a plugin without a metadata schema of its own takes: any object. */
export const PLUGIN_METADATA_SCHEMA = {
  type: 'object',
  $comment: 'injected metadata_schema',
  properties: {},
} as const;
