/*
 * docs/threat-model.md against the tests that it names: every rule of money, every actor and everything that was found in
 * peers is in it, and what is not proved is said to be so. (That the tests exist: proofs.test.ts.)
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readProofs, readRows } from '#support/doc-tables.ts';

const PAGE = 'docs/threat-model.md';
const page = readFileSync(PAGE, 'utf8');
const withTests = readRows(PAGE, 'Test');
const byNumber = readRows(PAGE, 'What stops it');
const listed = new Set(readRows('docs/requirements.md', 'What').map(([number]) => number));

const numbered = (letter: string, last: number) => Array.from({ length: last }, (_, index) => `${letter}${index + 1}`);
const rowsOf = (letter: string) => [...withTests, ...byNumber].filter(([first]) => new RegExp(`^${letter}\\d+$`).test(first!));
const sorted = (names: readonly string[]) => names.toSorted((left, right) => Number(left.slice(1)) - Number(right.slice(1)));

describe(PAGE, () => {
  it.each([
    ['S', 11],
    ['U', 10],
  ])('has each of %s1 to %i once', (letter, last) => {
    expect(sorted(rowsOf(letter).map(([first]) => first!))).toEqual(numbered(letter, last));
  });

  it('has each of M1 to M47 once', () => {
    expect(sorted(rowsOf('M').map(([first]) => first!))).toEqual(numbered('M', 47));
  });

  it.each(withTests.filter(([first]) => /^M\d+$/.test(first!)).map((cells) => ({ rule: cells[0]!, proofs: cells.at(-1)! })))(
    '$rule: a test that it names stands in a file whose titles carry the number',
    ({ rule, proofs }) => {
      const text = readProofs(proofs)
        .map(({ file }) => readFileSync(file, 'utf8'))
        .join('\n');
      const titles = Array.from(text.matchAll(/\(\s*(['"`])(.*?)\1,/g), ([, , title]) => title!);
      expect(titles.some((title) => new RegExp(`\\b${rule}\\b`).test(title))).toBe(true);
    },
  );

  it('says of the rules that are proved by number alone which are not proved yet: those that docs/requirements.md does not have', () => {
    const unproved = byNumber.map(([rule]) => rule!).filter((rule) => !listed.has(rule));
    const [, told = ''] = /Not proved yet: ([^.]*)\./.exec(page)!;
    expect(told.match(/M\d+/g) ?? []).toEqual(unproved);
  });

  it('has an attack of each actor, and no other', () => {
    const actors = readRows(PAGE, 'What it can do').map(([actor]) => actor!);
    const attackers = new Set(withTests.map(([first]) => first!).filter((first) => !/^[A-Z]+\d+$/.test(first)));
    expect([...attackers]).toEqual(actors);
  });
});
