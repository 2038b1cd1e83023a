/** The phases of a request, in order. Names are APISIX's, but for `response`, which it has not. */
export const PHASES = [
  'rewrite',
  'access',
  'beforeProxy',
  'response',
  'headerFilter',
  'bodyFilter',
  'delayedBodyFilter',
  'log',
] as const;
export type Phase = (typeof PHASES)[number];

/** How configuration and logs spell a phase. */
export const PHASE_WIRE_NAME: Readonly<Record<Phase, string>> = {
  rewrite: 'rewrite',
  access: 'access',
  beforeProxy: 'before_proxy',
  response: 'response',
  headerFilter: 'header_filter',
  bodyFilter: 'body_filter',
  delayedBodyFilter: 'delayed_body_filter',
  log: 'log',
};
