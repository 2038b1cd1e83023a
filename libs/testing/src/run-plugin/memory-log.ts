import type { Logger } from '@polygate/plugin-sdk';

export interface MemoryLog extends Logger {
  /** `<level>: <message>`, in order. */
  readonly lines: readonly string[];
}

/** A logger that keeps its lines. */
export function memoryLog(): MemoryLog {
  const lines: string[] = [];
  const at = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
