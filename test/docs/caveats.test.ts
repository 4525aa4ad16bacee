/*
 * docs/caveats.md against the registry of caveats: every kind has its row, its example parses, and what the page says of who
 * writes it and how it is refused is so.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { digestRequest } from '#client/index.ts';
import { PROBLEM_CODES } from '#gateway/answers/refusals.ts';
import { formatAccess, MOST_PER_MINUTE, parseAccess } from '#protocol/access.ts';
import { decodeCaveat, judgeCaveats } from '#protocol/caveat.ts';
import { CAVEAT_KINDS, caveatKind, SERVICE_CAVEAT_KINDS, type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { MOST_CALLS, MOST_LISTED } from '#protocol/caveat-values.ts';
import { isCounting } from '#protocol/counters.ts';
import { LARGEST_TOKEN_BYTES, MOST_CAVEATS } from '#protocol/macaroon-codec.ts';

const page = readFileSync('docs/caveats.md', 'utf8');

/** The cells of every row with so many columns, the head included. */
function rowsOf(columns: number): readonly (readonly string[])[] {
  const lines = page.split('\n').filter((line) => line.startsWith('| '));
  return lines
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
    .filter((cells) => cells.length === columns);
}

const unquote = (cell: string) => cell.replaceAll('`', '');

interface Row {
  readonly kind: string;
  readonly example: string;
  readonly authors: string;
  readonly refusals: readonly string[];
}

const ROWS: readonly Row[] = rowsOf(6)
  .slice(1)
  .map(([kind, example, authors, , , refusals]) => ({
    kind: unquote(kind!),
    example: unquote(example!),
    authors: authors!,
    refusals: refusals!.split(', '),
  }));

/** A request that no limit of the examples lets through. */
const OUTSIDE: CaveatFacts = {
  service: 'weather',
  tier: 9,
  capabilities: ['admin'],
  nowSeconds: 0,
  skewSeconds: 0,
  preimage: new Uint8Array(32),
  method: 'PUT',
  host: 'other.example',
  path: '/other',
  clientAddress: '198.51.100.1',
  requestDigest: '00'.repeat(32),
};

describe('docs/caveats.md', () => {
  it('has a row for every kind of the registry, in its order, and no other', () => {
    expect(ROWS.map(({ kind }) => kind)).toEqual([...CAVEAT_KINDS, ...SERVICE_CAVEAT_KINDS.map((name) => `NAME_${name}`)]);
  });

  it.each(ROWS)('$kind: the example parses, and who writes it is who may', ({ kind: name, example, authors, refusals }) => {
    const { condition, value } = decodeCaveat(new TextEncoder().encode(example), 'holder');
    expect(condition).toBe(name.replace('NAME', 'weather'));
    const kind = caveatKind(condition, 'weather')!;
    expect(kind.parses(value)).toBe(true);
    expect(authors === 'minter').toBe(kind.isTerm);
    for (const code of refusals) expect(PROBLEM_CODES).toContain(code);
    expect(refusals.includes('caveat_exhausted')).toBe(isCounting(condition));
  });

  it.each(ROWS)('$kind: what it does not let through is refused as the page says', ({ kind, example, refusals }) => {
    const isEnd = kind.endsWith('valid_until');
    const judged = judgeCaveats([decodeCaveat(new TextEncoder().encode(example), 'minter')], {
      ...OUTSIDE,
      ...(isEnd ? { nowSeconds: 4_000_000_000 } : {}),
    });
    // Terms and counters are judged by those who know the price and the counts.
    if (judged !== undefined) expect(refusals).toContain(judged.code);
    const isJudgedElsewhere = caveatKind(kind)?.isTerm === true || isCounting(kind);
    expect(judged === undefined).toBe(isJudgedElsewhere);
  });

  it('says of access what is read', () => {
    const values = rowsOf(2)
      .slice(2)
      .map(([value]) => unquote(value!));
    expect(values.map((value) => parseAccess(value)?.kind)).toEqual(['calls', 'pass', 'pass', 'credit']);
    for (const value of values) expect(formatAccess(parseAccess(value)!)).toBe(value);
    for (const limit of [MOST_CALLS, MOST_PER_MINUTE]) expect(page).toContain(`1 to ${limit}`);
  });

  it('says the limits that hold', () => {
    expect(page).toContain(`${MOST_CAVEATS} caveats and ${LARGEST_TOKEN_BYTES} bytes`);
    expect(page).toContain(`most ${MOST_LISTED} a caveat`);
  });

  it('has as its example of a request the digest of the request that it shows', async () => {
    const digest = await digestRequest({ url: 'https://api.example.com/v1/ask', method: 'POST', body: '{"n":1}' });
    expect(ROWS.find(({ kind }) => kind === 'request')?.example).toBe(`request=${digest}`);
  });
});
