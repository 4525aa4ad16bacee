/*
 * Tables of the docs, and the tests that they name as their proof.
 */
import { readFileSync } from 'node:fs';

/** The cells of every row of those tables in a page whose last column has this head. */
export function readRows(path: string, lastColumn: string): readonly (readonly string[])[] {
  const rows: (readonly string[])[] = [];
  let isMeant = false;
  const lines = readFileSync(path, 'utf8').split('\n');
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('| ')) continue;
    const cells = line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    if (lines[index + 1]?.startsWith('|-') === true) isMeant = cells.at(-1) === lastColumn;
    else if (isMeant) rows.push(cells);
  }
  return rows;
}

/** The tests that a cell names, `path: title`, one a line. */
export function readProofs(cell: string): readonly { readonly file: string; readonly title: string }[] {
  return cell.split('<br>').map((text) => {
    const [, file, title] = /^(test\/\S+\.test\.ts): (.+)$/.exec(text.trim()) ?? [];
    if (file === undefined || title === undefined) throw new Error(`names no test: ${text}`);
    return { file, title };
  });
}

/** Whether a test of the file has the title. */
export function hasTest({ file, title }: { readonly file: string; readonly title: string }): boolean {
  const quoted = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`\\(\\s*(['"\`])${quoted}\\1`).test(readFileSync(file, 'utf8'));
}
