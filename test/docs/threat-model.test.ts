/*
 * docs/threat-model.md: every actor and everything that was found in peers is in it. (That the tests exist: proofs.test.ts; the
 * rules of money: rules.test.ts.)
 */
import { describe, expect, it } from 'vitest';
import { readRows } from '#support/doc-tables.ts';

const PAGE = 'docs/threat-model.md';
const withTests = readRows(PAGE, 'Test');
const byNumber = readRows(PAGE, 'What stops it');

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

  it('has an attack of each actor, and no other', () => {
    const actors = readRows(PAGE, 'What it can do').map(([actor]) => actor!);
    const attackers = new Set(withTests.map(([first]) => first!).filter((first) => !/^[A-Z]+\d+$/.test(first)));
    expect([...attackers]).toEqual(actors);
  });
});
