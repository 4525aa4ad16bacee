/*
 * docs/storage.md against the objects: every table and key that the code names is on the page, and no other.
 */
import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readRows } from '#support/doc-tables.ts';

const PAGE = 'docs/storage.md';

it(`${PAGE} has each table and each key that an object keeps, and the version that it has`, () => {
  const code = globSync('durable-objects/*.ts').map((file) => readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, ''));
  const named = code.flatMap((text) => Array.from(text.matchAll(/\b([a-z_]+_v\d+)\b/g), ([, name]) => name!));
  const daily = code.flatMap((text) =>
    Array.from(text.matchAll(/name: '([a-z_]+)',\s*version: (\d+)/g), ([, name, version]) => `${name}_v${version}`),
  );
  const earlier = code.flatMap((text) =>
    [...text.matchAll(/name: '([a-z_]+)',\s*version: [\s\S]*?\n\};/g)].flatMap(([form, name]) =>
      Array.from(form.matchAll(/\{ version: (\d+)/g), ([, version]) => `${name}_v${version}`),
    ),
  );
  const documented = readRows(PAGE, 'When the form changes').flatMap(([, table]) =>
    Array.from(table!.matchAll(/`([a-z_]+_v\d+)(?:_<day>)?`/g), ([, name]) => name!),
  );
  expect([...new Set(documented)].toSorted()).toEqual([...new Set([...named, ...daily, ...earlier])].toSorted());
});
