/*
 * How many rows Durable Objects have on disk, read beside workerd: what an object has written lies in a database of its own,
 * which is copied, so that nobody's lock is in the way. Effects: files in a folder of its own.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const SUFFIX = '.sqlite';

/** Rows by class and table, of all objects together; `directory` is that of the workerd process. */
export function countRows(directory: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const claims = join(directory, 'claims');
  const copies = mkdtempSync(join(tmpdir(), 'l402-rows-'));
  try {
    for (const key of readdirSync(claims)) {
      const files = readdirSync(join(claims, key)).filter((name) => name.endsWith(SUFFIX) && name !== `metadata${SUFFIX}`);
      for (const file of files) {
        const copy = join(copies, file);
        copyDatabase(join(claims, key, file), copy);
        for (const [table, rows] of countTables(copy)) {
          // A key is the names of the gateway and the class, and a version.
          const name = `${key.split('-')[1]}.${table}`;
          counts.set(name, (counts.get(name) ?? 0) + rows);
        }
      }
    }
    return counts;
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

/** Tables of ours; the platform's begin otherwise. */
function countTables(path: string): readonly (readonly [string, number])[] {
  const database = new DatabaseSync(path);
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[];
    const own = tables.map(({ name }) => name).filter((name) => !/^(?:_cf_|sqlite_)/i.test(name));
    return own.map((name) => {
      const { count } = database.prepare(`SELECT count(*) AS count FROM "${name}"`).get() as { count: number };
      return [name, count] as const;
    });
  } finally {
    database.close();
  }
}
