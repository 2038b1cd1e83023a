/** The cores this process may use, from the text of /proc/self/status. Throws without the line. */
export function cpuList(status: string): number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1];
  if (list === undefined) throw new Error('/proc/self/status has no Cpus_allowed_list');
  return list.split(',').flatMap((part) => {
    const [first = NaN, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
