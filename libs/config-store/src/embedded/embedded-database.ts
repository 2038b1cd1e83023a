import { Buffer } from 'node:buffer';
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';

/** A row of `items`. */
export interface ItemRow {
  readonly key: string;
  readonly text: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

/**
 * A row of `changes`; `text` is null where the item was deleted. Rows up to the position's
 * `compacted` are no changes any more: each is the version of an item that a later row replaced.
 */
export interface ChangeRow {
  readonly revision: number;
  readonly key: string;
  readonly text: string | null;
  readonly createdIndex: number;
}

// "PGCF": a database of something else is refused, not overwritten.
const APPLICATION_ID = 0x50474346;
const SCHEMA_VERSION = 2;

const SCHEMA = `
  CREATE TABLE items (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    created_index INTEGER NOT NULL,
    modified_index INTEGER NOT NULL,
    expires_at_ms INTEGER
  ) WITHOUT ROWID;
  CREATE INDEX items_expiry ON items (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
  CREATE TABLE changes (
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    text TEXT,
    created_index INTEGER NOT NULL,
    PRIMARY KEY (revision, key)
  ) WITHOUT ROWID;
  CREATE INDEX changes_key ON changes (key, revision);
  CREATE TABLE position (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL,
    compacted INTEGER NOT NULL
  );
  INSERT INTO position VALUES (1, 1, 1);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** The history of version 1 cannot be read at a revision: it begins anew. */
const FROM_VERSION_1 = `
  DELETE FROM changes;
  UPDATE position SET compacted = revision;
  CREATE INDEX changes_key ON changes (key, revision);
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

const ITEM = 'key, text, created_index AS createdIndex, modified_index AS modifiedIndex';
const CHANGE = 'revision, key, text, created_index AS createdIndex';
const QUERIES = {
  get: `SELECT ${ITEM} FROM items WHERE key = ?`,
  below: `SELECT ${ITEM} FROM items WHERE key > ? AND key < ?`,
  put: `INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)`,
  delete: 'DELETE FROM items WHERE key = ?',
  expired: `SELECT ${ITEM} FROM items WHERE expires_at_ms <= ?`,
  nextExpiry: 'SELECT min(expires_at_ms) AS value FROM items WHERE expires_at_ms IS NOT NULL',
  log: 'INSERT INTO changes VALUES (?, ?, ?, ?)',
  since: `SELECT ${CHANGE} FROM changes WHERE revision > ? AND revision <= ?
    ORDER BY revision, key`,
  pageEnd: `SELECT max(revision) AS value FROM
    (SELECT revision FROM changes WHERE revision > ? ORDER BY revision LIMIT ?)`,
  // An item that was written before the history begins: its version joins the history when the
  // next one replaces it, so that the store can be read as it was.
  keep: 'INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?)',
  nextOf: 'SELECT min(revision) AS value FROM changes WHERE key = ? AND revision > ?',
  dropBefore: `DELETE FROM changes WHERE key = ? AND revision < ?
    RETURNING length(CAST(text AS BLOB)) AS bytes`,
  dropAt: `DELETE FROM changes WHERE key = ? AND revision = ?
    RETURNING length(CAST(text AS BLOB)) AS bytes`,
  oldest: 'SELECT min(revision) AS value FROM changes WHERE revision > ?',
  size: 'SELECT sum(length(CAST(text AS BLOB))) AS value FROM changes',
  unchangedSince: `SELECT ${ITEM} FROM items WHERE key > ? AND key < ? AND modified_index <= ?`,
  // Of items that were changed after the revision, the last version until then.
  versionsAt: `SELECT key, text, created_index AS createdIndex, revision AS modifiedIndex
    FROM changes AS c WHERE key > ?1 AND key < ?2 AND revision <= ?3 AND text IS NOT NULL
    AND EXISTS (SELECT 1 FROM changes WHERE key = c.key AND revision > ?3)
    AND revision = (SELECT max(revision) FROM changes WHERE key = c.key AND revision <= ?3)`,
  writtenAfter: `SELECT 1 AS value FROM items WHERE key > ? AND key < ? AND modified_index > ?
    LIMIT 1`,
  historyOf: `SELECT revision, count(*) AS total FROM changes WHERE revision > ?1 AND revision < ?2
    AND (?3 IS NULL OR key = ?3) GROUP BY revision ORDER BY revision DESC LIMIT ?4`,
  changesOf: `SELECT key, text IS NULL AS deleted FROM changes
    WHERE revision = ?1 AND (?2 IS NULL OR key = ?2) ORDER BY key LIMIT ?3`,
  position: 'SELECT revision, compacted FROM position',
  move: 'UPDATE position SET revision = ?, compacted = ?',
} as const;

type Parameter = string | number | null;

/** The SQLite file below EmbeddedStore: its tables, its lock, its transactions. */
export class EmbeddedDatabase {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof QUERIES, StatementSync>>;

  /** Throws StoreError LOCKED if another process has the file, UNAVAILABLE if it cannot be used. */
  constructor(file: string) {
    if (file !== ':memory:') createPrivateFile(file);
    this.#database = openLocked(file);
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#statements = Object.fromEntries(
      Object.entries(QUERIES).map(([name, sql]) => [name, prepare(sql)]),
    ) as Record<keyof typeof QUERIES, StatementSync>;
  }

  all<Row>(query: keyof typeof QUERIES, ...parameters: Parameter[]): Row[] {
    return this.#statements[query].all(...parameters) as Row[];
  }

  first<Row>(query: keyof typeof QUERIES, ...parameters: Parameter[]): Row | undefined {
    return this.#statements[query].get(...parameters) as Row | undefined;
  }

  /** The one column `value` of a query; undefined for NULL. */
  value(query: keyof typeof QUERIES, ...parameters: Parameter[]): number | undefined {
    return this.first<{ value: number | null }>(query, ...parameters)?.value ?? undefined;
  }

  /** Answers how many rows it changed. */
  run(query: keyof typeof QUERIES, ...parameters: Parameter[]): number {
    return Number(this.#statements[query].run(...parameters).changes);
  }

  /** All of `work` or nothing; returns once it is on the disk. */
  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}

/** What SQLite reports (disk full, input/output error) in the words of StoreError. */
export function toEmbeddedError(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_SQLITE_ERROR') return error;
  return new StoreError('UNAVAILABLE', `embedded store: ${message}`, { cause: error });
}

/** Keys and secrets of consumers are in there: nobody else may read it. SQLite's WAL follows. */
function createPrivateFile(file: string): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
  } catch (cause) {
    const message = `embedded store: cannot use ${file}: ${(cause as Error).message}`;
    throw new StoreError('UNAVAILABLE', message, { cause });
  }
}

function openLocked(file: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    // With the exclusive mode set first, the first write takes the lock and keeps it until the
    // process ends, however it ends; and WAL needs no shared memory file.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('BEGIN EXCLUSIVE');
    prepareSchema(database, file);
    database.exec('COMMIT');
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof StoreError) throw cause;
    if (isBusy(cause)) {
      throw new StoreError('LOCKED', `embedded store: another process has ${file} open`, { cause });
    }
    const message = `embedded store: cannot open ${file}: ${(cause as Error).message}`;
    throw new StoreError('UNAVAILABLE', message, { cause });
  }
}

function prepareSchema(database: DatabaseSync, file: string): void {
  const pragma = (name: string) => {
    const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, number> | undefined;
    return row?.[name];
  };
  const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get();
  if (tables?.['n'] === 0) {
    database.exec(SCHEMA);
    return;
  }
  if (pragma('application_id') !== APPLICATION_ID) {
    throw new StoreError('UNAVAILABLE', `embedded store: ${file} is a database of something else`);
  }
  const version = pragma('user_version');
  if (version === 1) {
    database.exec(FROM_VERSION_1);
    return;
  }
  if (version !== SCHEMA_VERSION) {
    const message = `embedded store: ${file} has version ${version}, not ${SCHEMA_VERSION}`;
    throw new StoreError('UNAVAILABLE', message);
  }
}

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode ?? 0;
  return [SQLITE_BUSY, SQLITE_LOCKED].includes(code & 0xff);
}

/** Bytes of a text in UTF-8, as SQLite stores it. */
export function textBytes(text: string): number {
  return Buffer.byteLength(text);
}
