import type { CheckedNode, CheckStatus } from './health-checks.ts';

const COLUMNS = [
  'Index',
  'Upstream',
  'Check type',
  'Host',
  'Status',
  'Success counts',
  'TCP Failures',
  'HTTP Failures',
  'TIMEOUT Failures',
];

/** A table of all nodes, for a browser: the columns of the page in apisix/control/v1.lua, as XHTML. */
export function renderHealthPage(statuses: readonly CheckStatus[]): string {
  const nodes = statuses.flatMap((status) => status.nodes.map((node) => ({ status, node })));
  const rows = nodes.map(({ status, node }, i) => row(node, cells(i + 1, status, node)));
  return `<html xmlns="http://www.w3.org/1999/xhtml">
<head>
  <title>Upstream check status</title>
</head>
<body>
<h1>Upstream check status</h1>
<table border="1" cellspacing="0" cellpadding="3">
  <tr>${COLUMNS.map((name) => `<th>${name}</th>`).join('')}</tr>
${rows.join('')}</table>
</body>
</html>
`;
}

function cells(index: number, { name, type = '' }: CheckStatus, node: CheckedNode): unknown[] {
  const { counter } = node;
  return [
    index,
    name,
    type,
    `${node.ip}:${node.port}`,
    node.status,
    counter.success,
    counter.tcp_failure,
    counter.http_failure,
    counter.timeout_failure,
  ];
}

function row({ status }: CheckedNode, values: readonly unknown[]): string {
  const isWell = status === 'healthy' || status === 'mostly_healthy';
  const columns = values.map((value) => `<td>${escapeHtml(String(value))}</td>`).join('');
  return `  <tr${isWell ? '' : ' bgcolor="#FF0000"'}>${columns}</tr>\n`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
