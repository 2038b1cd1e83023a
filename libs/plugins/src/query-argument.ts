import type { ClientRequest } from '@polygate/plugin-sdk';

/** Undefined without the argument; null when it is no single text: without a value, or there twice. */
export function singleArgument(request: ClientRequest, name: string): string | null | undefined {
  if (request.query === '') return undefined;
  const args = request.getArguments().filter((argument) => argument.name === name);
  if (args.length === 0) return undefined;
  return args.length === 1 ? (args[0]?.value ?? null) : null;
}

/** The upstream does not get it. The query stays as it was written when the argument is not in it. */
export function removeArgument(request: ClientRequest, name: string): void {
  if (request.query === '') return;
  const args = request.getArguments();
  const kept = args.filter((argument) => argument.name !== name);
  if (kept.length !== args.length) request.setArguments(kept);
}
