/*
 * Tables whose loss costs nobody money: when their schema changes, those of other versions are dropped unread (M36,
 * docs/storage.md). Effects: the given storage.
 */

/** Drops the tables with the same name and another version: for `rows_v1`, it drops `rows_v0` and `rows_v2`. */
export function dropOtherVersions(sql: SqlStorage, table: string): void {
  const stem = table.replace(/_v\d+$/, '');
  const names = sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '${stem}_v[0-9]*'`);
  for (const { name } of [...names]) if (name !== table && /_v\d+$/.test(name)) sql.exec(`DROP TABLE ${name}`);
}
