import { CHANGES_SHOWN_MAX, type History, type HistoryQuery } from '../config-store.ts';
import {
  type ChangeRow,
  type EmbeddedDatabase,
  type ItemRow,
  textBytes,
} from './embedded-database.ts';
import { StoreError } from '../errors.ts';

export interface HistoryLimits {
  /** Revisions that are kept. */
  readonly revisionsMax: number;
  /** Bytes of values that are kept. */
  readonly bytesMax: number;
}

export interface Position {
  /** Of the last write. Begins at 1, as etcd's. */
  readonly revision: number;
  /** Changes up to this one are no longer kept. */
  readonly compacted: number;
}

/** What one write did to one item. */
export interface LoggedChange {
  readonly key: string;
  /** Null: deleted. */
  readonly text: string | null;
  readonly createdIndex: number;
  readonly previous: ItemRow | undefined;
}

/**
 * The table of changes: what slow watchers catch up from, and what the store is read from as it was.
 * It is written in the transactions of the items, and bounded.
 */
export class EmbeddedHistory {
  readonly #database: EmbeddedDatabase;
  readonly #limits: HistoryLimits;
  /** Of the values in the table; set back by whoever rolls a transaction back. */
  bytes: number;

  constructor(database: EmbeddedDatabase, limits: HistoryLimits) {
    this.#database = database;
    this.#limits = limits;
    this.bytes = database.value('size') ?? 0;
  }

  log(revision: number, { key, text, createdIndex, previous }: LoggedChange): void {
    if (previous !== undefined) {
      const version = [previous.modifiedIndex, key, previous.text, previous.createdIndex] as const;
      if (this.#database.run('keep', ...version) > 0) this.bytes += textBytes(previous.text);
    }
    this.#database.run('log', revision, key, text, createdIndex);
    this.bytes += text === null ? 0 : textBytes(text);
  }

  /** Forgets what is beyond the limits; answers the position after that. */
  trim(position: Position): Position {
    let { compacted } = position;
    const compact = (upTo: number) => {
      this.#compact(compacted, upTo);
      compacted = upTo;
    };
    const upTo = position.revision - this.#limits.revisionsMax;
    if (upTo > compacted) compact(upTo);
    while (this.bytes > this.#limits.bytesMax) {
      const oldest = this.#database.value('oldest', compacted);
      if (oldest === undefined) break;
      compact(oldest);
    }
    return { ...position, compacted };
  }

  /** The rows between two keys, both excluded, as they were at a revision. Throws StoreError. */
  rowsAt([after, before]: readonly [string, string], revision: number, position: Position) {
    if (revision < position.compacted) {
      const message = `embedded store: the history begins with revision ${position.compacted}`;
      throw new StoreError('COMPACTED', message);
    }
    if (revision > position.revision) {
      const message = `embedded store: the last revision is ${position.revision}`;
      throw new StoreError('FUTURE', message);
    }
    const same = this.#database.all<ItemRow>('unchangedSince', after, before, revision);
    const other = this.#database.all<ItemRow>('versionsAt', after, before, revision);
    return [...same, ...other];
  }

  list({ key: only, before, limit }: HistoryQuery, position: Position): History {
    const key = only ?? null;
    const { compacted, revision } = position;
    const to = before ?? revision + 1;
    const rows = this.#database.all<{ revision: number; total: number }>(
      'historyOf',
      compacted,
      to,
      key,
      limit + 1,
    );
    const entries = rows
      .slice(0, limit)
      .map((row) => ({ ...row, changes: this.#keysOf(row, key) }));
    const nextBefore = rows.length > limit ? entries.at(-1)?.revision : undefined;
    return { entries, nextBefore, oldest: compacted };
  }

  #keysOf({ revision }: { revision: number }, key: string | null) {
    return this.#database
      .all<{ key: string; deleted: number }>('changesOf', revision, key, CHANGES_SHOWN_MAX)
      .map((row) => ({ key: row.key, kind: row.deleted === 1 ? 'delete' : 'put' }) as const);
  }

  /** Keeps of each item the version that a later row replaces: the store can be read at `upTo`. */
  #compact(from: number, upTo: number): void {
    for (const { revision, key, text } of this.#database.all<ChangeRow>('since', from, upTo)) {
      this.#drop('dropBefore', key, revision);
      const isReplaced = this.#database.value('nextOf', key, revision) !== undefined;
      if (text === null || !isReplaced) this.#drop('dropAt', key, revision);
    }
  }

  #drop(query: 'dropBefore' | 'dropAt', key: string, revision: number): void {
    for (const { bytes } of this.#database.all<{ bytes: number | null }>(query, key, revision)) {
      this.bytes -= bytes ?? 0;
    }
  }
}
