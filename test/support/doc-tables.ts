/*
 * Tables of the docs, and the tests that they name as their proof.
 */
import { readFileSync } from 'node:fs';

/** The cells of every row of the tables in a page, without their heads; with how many columns, if that matters. */
export function readRows(path: string, columns?: number): readonly (readonly string[])[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines
    .filter((line, index) => line.startsWith('| ') && lines[index + 1]?.startsWith('|-') !== true)
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
    .filter((cells) => columns === undefined || cells.length === columns);
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
