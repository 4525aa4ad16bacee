/*
 * What Durable Objects have on disk, read beside workerd: each has a database of its own, which is copied, so that nobody's
 * lock is in the way. Effects: files in a folder of its own.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const SUFFIX = '.sqlite';

/** Rows by class and table, of all objects together; `directory` is that of the workerd process. */
export function countRows(directory: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  readDatabases(directory, (database, className) => {
    for (const table of tablesOf(database)) {
      const { count } = database.prepare(`SELECT count(*) AS count FROM "${table}"`).get() as { count: number };
      const name = `${className}.${table}`;
      counts.set(name, (counts.get(name) ?? 0) + count);
    }
  });
  return counts;
}

/** Every row of a table, from all objects of the class. */
export function readTable<Row>(directory: string, { className, table }: { className: string; table: string }): readonly Row[] {
  const rows: Row[] = [];
  readDatabases(directory, (database, of) => {
    if (of !== className || !tablesOf(database).includes(table)) return;
    rows.push(...(database.prepare(`SELECT * FROM "${table}"`).all() as Row[]));
  });
  return rows;
}

function readDatabases(directory: string, read: (database: DatabaseSync, className: string) => void): void {
  const claims = join(directory, 'claims');
  const copies = mkdtempSync(join(tmpdir(), 'l402-rows-'));
  try {
    for (const key of readdirSync(claims)) {
      const files = readdirSync(join(claims, key)).filter((name) => name.endsWith(SUFFIX) && name !== `metadata${SUFFIX}`);
      for (const file of files) {
        const copy = join(copies, file);
        copyDatabase(join(claims, key, file), copy);
        const database = new DatabaseSync(copy);
        try {
          // A key is the names of the gateway and the class, and a version.
          read(database, key.split('-')[1]!);
        } finally {
          database.close();
        }
      }
    }
  } finally {
    rmSync(copies, { recursive: true });
  }
}

/** With what is still in its log: as often as it is written to the database meanwhile, again. */
function copyDatabase(from: string, copy: string): void {
  for (;;) {
    const { mtimeMs } = statSync(from);
    cpSync(from, copy);
    if (existsSync(`${from}-wal`)) cpSync(`${from}-wal`, `${copy}-wal`);
    if (statSync(from).mtimeMs === mtimeMs) return;
  }
}

/** Those of ours; the platform's begin otherwise. */
function tablesOf(database: DatabaseSync): readonly string[] {
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[];
  return tables.map(({ name }) => name).filter((name) => !/^(?:_cf_|sqlite_)/i.test(name));
}
