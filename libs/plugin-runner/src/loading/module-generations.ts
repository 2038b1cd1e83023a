import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const MARK = 'polygate-generation';
/** Modules of the runner itself are the same for all generations. */
const OWN_FOLDER = new URL('..', import.meta.url).href;

/**
 * Lets a module and what it imports be loaded anew. Node keeps each URL for good, so a generation
 * has URLs of its own: the mark on the first one is handed on to everything it imports. Left alone
 * are packages in node_modules, and CommonJS files, which Node keeps by path. Old generations stay
 * in memory, as Node cannot unload: this is for development.
 */
export class ModuleGenerations {
  readonly #files = new Map<string, Set<string>>();
  readonly #hooks = registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const resolved = nextResolve(specifier, context);
      const generation = markOf(context.parentURL) ?? markOf(resolved.url);
      if (generation === undefined || !isReloaded(resolved.url)) return resolved;
      const url = new URL(resolved.url);
      url.searchParams.set(MARK, generation);
      this.#files.get(generation)?.add(fileURLToPath(url));
      return { ...resolved, url: url.href };
    },
  });
  #last = 0;

  /** Ends the URL of a file that a new generation begins with. */
  begin(): { readonly suffix: string; readonly files: ReadonlySet<string> } {
    this.#last += 1;
    const files = new Set<string>();
    this.#files.set(String(this.#last), files);
    this.#files.delete(String(this.#last - 2));
    return { suffix: `?${MARK}=${this.#last}`, files };
  }

  close(): void {
    this.#hooks.deregister();
  }
}

function markOf(url: string | undefined): string | undefined {
  if (url === undefined || !url.startsWith('file:') || !url.includes(MARK)) return undefined;
  return new URL(url).searchParams.get(MARK) ?? undefined;
}

function isReloaded(url: string): boolean {
  if (!url.startsWith('file:') || url.includes('/node_modules/')) return false;
  return !url.startsWith(OWN_FOLDER) || url.startsWith(new URL('sample/', OWN_FOLDER).href);
}
