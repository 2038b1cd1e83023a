import type { StoredItem } from '@polygate/config-store';
import { isJsonObject } from '../json-object.ts';
import type { Resource } from './resource.ts';

/** The item as clients may see it. */
export function withoutHidden({ hiddenFields }: Resource, item: StoredItem): StoredItem {
  if (hiddenFields === undefined || !isJsonObject(item.value)) return item;
  const shown = Object.entries(item.value).filter(([field]) => !hiddenFields.includes(field));
  return { ...item, value: Object.fromEntries(shown) };
}
