import type { ConfigStore } from '@polygate/config-store';

/** What the checks of references need: the store itself, or how it is going to be. */
export type ReadableStore = Pick<ConfigStore, 'get' | 'list'>;
