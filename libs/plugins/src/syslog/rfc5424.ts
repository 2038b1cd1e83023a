/** facility syslog, severity info */
const PRIORITY = 5 * 8 + 6;

export interface SyslogMessage {
  readonly hostname: string;
  readonly text: string;
  /** `SD-ELEMENT`s, brackets included. */
  readonly structuredData?: string;
}

/**
 * A line of https://www.rfc-editor.org/rfc/rfc5424, stamped now. Source: apisix/utils/rfc5424.lua; the
 * application is called `apisix`, since receivers tell lines apart by it.
 */
export function syslogLine({ hostname, text, structuredData = '-' }: SyslogMessage): string {
  const host = hostname === '' ? '-' : hostname;
  const time = new Date().toISOString();
  return `<${PRIORITY}>1 ${time} ${host} apisix ${process.pid} - ${structuredData} ${text}\n`;
}
