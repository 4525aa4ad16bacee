/*
 * Tables whose loss costs nobody money: when their form changes, another version's are dropped and not read (M36,
 * docs/storage.md). Effects: the storage it is given.
 */

/** Drops the tables of the same name and another version: `rows_v1` is kept, `rows_v0` and `rows_v2` are not. */
export function dropOtherVersions(sql: SqlStorage, table: string): void {
  const stem = table.replace(/_v\d+$/, '');
  const names = sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '${stem}_v[0-9]*'`);
  for (const { name } of [...names]) if (name !== table && /_v\d+$/.test(name)) sql.exec(`DROP TABLE ${name}`);
}
