/*
 * The docs say what is true: the tables of docs/ are held against the code and against the titles of the tests.
 */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PROBLEM_CODES, PROBLEM_TYPES, type ProblemType } from '#gateway/answers/refusals.ts';

/** The cells of every row of the tables in a page, without heads and rules. */
function rowsOf(path: string, columns: number): readonly (readonly string[])[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('|-'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
    .filter((cells) => cells.length === columns);
}

describe('docs', () => {
  it('M17: docs/status-codes.md lists every problem type with its status and whether it may cost an invoice', () => {
    const documented = rowsOf('docs/status-codes.md', 4).slice(1);
    const expected = PROBLEM_CODES.map((code) => {
      const { status, mayCostInvoice, title }: ProblemType = PROBLEM_TYPES[code];
      return [code, String(status), mayCostInvoice ? 'yes' : 'no', title];
    });
    expect(documented).toEqual(expected);
  });

  it('docs/architecture.md names files and exports that exist', () => {
    const rows = rowsOf('docs/architecture.md', 3).slice(1);
    expect(rows.length).toBeGreaterThan(8);
    for (const [, file, name] of rows) {
      expect(readFileSync(file!, 'utf8'), `${file} exports ${name}`).toMatch(
        new RegExp(`export (?:async )?(?:function|const|interface|type|class) ${name}\\b`),
      );
    }
  });

  it('docs/origins.md shows the verification as it stands in examples/verify', () => {
    const page = readFileSync('docs/origins.md', 'utf8');
    for (const [language, file] of [
      ['js', 'examples/verify/verify.mjs'],
      ['python', 'examples/verify/verify.py'],
    ]) {
      const presented = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)![1]!;
      expect(readFileSync(file!, 'utf8'), file).toContain(presented);
      expect(presented.trim().split('\n').length).toBeLessThanOrEqual(10);
    }
  });

  it('docs/requirements.md names for each number a file whose tests carry it in a title', () => {
    const rows = rowsOf('docs/requirements.md', 3).slice(1);
    expect(rows.length).toBeGreaterThan(30);
    for (const [number, file] of rows) {
      const titles = [...readFileSync(file!, 'utf8').matchAll(/(?:it|describe|test)(?:\.each\([\s\S]*?\))?\(\s*[`'"]([^`'"]*)/g)].map(
        (match) => match[1]!,
      );
      expect(
        titles.some((title) => new RegExp(`\\b${number}\\b`).test(title)),
        `${number} in ${file}`,
      ).toBe(true);
    }
  });

  it('every number that a test carries stands in docs/requirements.md', () => {
    const listed = new Set(rowsOf('docs/requirements.md', 3).map(([number]) => number));
    for (const file of globSync('test/**/*.test.ts')) {
      for (const [, title] of readFileSync(file, 'utf8').matchAll(/\b(?:it|describe)\('([^']*)'/g)) {
        for (const number of title!.match(/\b[DPAFYM][0-9]{1,2}\b/g) ?? []) expect(listed.has(number), `${number} of ${file}`).toBe(true);
      }
    }
  });
});
