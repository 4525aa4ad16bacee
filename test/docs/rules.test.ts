/*
 * docs/rules.md against the code and the tests: every rule of money stands there once, in two sentences, with the attack that it
 * stops and tests that exist and carry its number; and no other number is used anywhere.
 */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasTest, readProofs } from '#support/doc-tables.ts';

const PAGE = 'docs/rules.md';
const [, ...sections] = readFileSync(PAGE, 'utf8').split(/^### /m);
const rules = sections.map((section) => {
  const [, number = '', title = ''] = /^M(\d+)\. (.+)$/m.exec(section) ?? [];
  const [text = ''] = section.split('\n').slice(2);
  const [, attack = ''] = /^\*Stops:\* (.+)$/m.exec(section) ?? [];
  const proofs = readProofs(Array.from(section.matchAll(/^- (.+)$/gm), ([, proof]) => proof).join('<br>'));
  return { rule: `M${number}`, number: Number(number), title, text, attack, proofs };
});

describe(PAGE, () => {
  it('has each of M1 to M47 once, in order', () => {
    expect(rules.map(({ number }) => number)).toEqual(Array.from({ length: 47 }, (_, index) => index + 1));
  });

  it.each(rules)('$rule: says in two sentences at most what it is, and what it stops', ({ title, text, attack }) => {
    expect(title).not.toBe('');
    expect(text.match(/[.]( |$)/g)?.length ?? 0).toBeGreaterThan(0);
    expect(text.match(/[.]( |$)/g)?.length ?? 0).toBeLessThanOrEqual(2);
    expect(attack).not.toBe('');
  });

  it.each(rules)('$rule: names tests that there are, and one of them carries the number', ({ rule, proofs }) => {
    for (const proof of proofs) expect(hasTest(proof), `${proof.file}: ${proof.title}`).toBe(true);
    const titles = proofs.flatMap(({ file }) =>
      Array.from(readFileSync(file, 'utf8').matchAll(/\(\s*(['"`])(.*?)\1,/g), ([, , title]) => title!),
    );
    expect(titles.some((title) => new RegExp(`\\b${rule}\\b`).test(title))).toBe(true);
  });

  it('has every rule that the code, the tests and the docs name', () => {
    const known = new Set(rules.map(({ rule }) => rule));
    const files = globSync('{src,durable-objects,lnd-bridge,client,local,scripts,bench,test,docs,examples}/**/*.{ts,md}');
    for (const file of files) {
      for (const [, rule] of readFileSync(file, 'utf8').matchAll(/(?<![\w/&#.-])(M[1-9]\d?)(?![\w.=-])/g))
        expect(known.has(rule!), `${rule} of ${file}`).toBe(true);
    }
  });
});
