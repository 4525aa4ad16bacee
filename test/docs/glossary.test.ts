/*
 * docs/glossary.md against the code: a word that was retired is in no name.
 */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readRows } from '#support/doc-tables.ts';

const PAGE = 'docs/glossary.md';
/** Words that mean something else as well: a way to the origin, a place in a line, room on a disk. */
const STILL_ENGLISH = new Set(['shown', 'room', 'way', 'place', 'hand out', 'claim book']);
const retired = readRows(PAGE, 'Not').flatMap(([, , word]) => (word === '' || STILL_ENGLISH.has(word!) ? [] : [word!]));

/** The names in a file, in words: `openFencesAt` is open, fences, at. Comments and texts are left out. */
function wordsOf(file: string): readonly string[] {
  const code = readFileSync(file, 'utf8')
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ' ')
    .replaceAll(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, ' ');
  const names = code.match(/[A-Za-z_$][\w$]*/g) ?? [];
  return [...new Set(names)].flatMap((name) => name.split(/(?<=[a-z0-9])(?=[A-Z])|_/).map((word) => word.toLowerCase()));
}

describe(PAGE, () => {
  it('retires some words', () => {
    expect(retired.length).toBeGreaterThan(5);
  });

  it.each(globSync('{src,durable-objects,lnd-bridge,client,local,scripts,bench}/**/*.ts'))('%s has no name with a retired word', (file) => {
    const words = wordsOf(file);
    expect(retired.filter((word) => words.includes(word) || words.includes(`${word}s`))).toEqual([]);
  });
});
