/*
 * docs/configuration.md against the schemas: it is what is written from them, and each of its examples is taken.
 */
import { readFileSync } from 'node:fs';
import { runInThisContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { describeKeys, findMissing } from '#scripts/configuration-keys.ts';
import { PAGE_PATH, readSections, writePage } from '#scripts/configuration-page.ts';
import { findKeys, readConstants } from '#scripts/doc-comments.ts';
import { GatewaySchema, readConfig, VariablesSchema } from '#src/config/config.ts';

const SECTIONS = [...readSections('GatewaySchema', GatewaySchema), ...readSections('VariablesSchema', VariablesSchema)];
const KEYS = SECTIONS.flatMap(({ place, keys }) => keys.map((key) => Object.assign({ path: `${place}.${key.name}` }, key)));

describe('docs/configuration.md', () => {
  it('is what `npm run docs` writes', () => {
    expect(readFileSync(PAGE_PATH, 'utf8')).toBe(writePage());
  });

  it.each(KEYS)('$path has an example that it takes, and a default that it takes', ({ example, standard, schema }) => {
    // A secret has none that could be used as it is.
    if (example === 'openssl rand -hex 32') return;
    for (const text of [example, standard]) {
      if (text === '' || text === 'needed') continue;
      const value: unknown = runInThisContext(`(${text})`);
      expect(z.safeParse(schema as z.ZodMiniType, value).success, text).toBe(true);
    }
  });

  it.each(['README.md', 'docs/pricing.md'])('and the gateway.config.ts of %s is one that can be sold from', (page) => {
    const [, written] = /defineGateway\((\{[\s\S]*?\n\})\);/.exec(readFileSync(page, 'utf8')) ?? [];
    const secret = (digits: string) => digits.repeat(32);
    const variables = { BRIDGE_URL: 'http://bridge.test', NETWORK: 'regtest', BRIDGE_SECRET: secret('0b') };
    const secrets = { TOKEN_SECRET_1: secret('0a'), PRICING_SECRET: secret('0c') };
    const config = readConfig(runInThisContext(`(${written})`), { ...variables, ...secrets });
    expect(config.ok ? config.value.warnings : config.refusal).toEqual([]);
  });

  it('has no secret in it', () => {
    expect(readFileSync(PAGE_PATH, 'utf8')).not.toMatch(/[0-9a-f]{32}/);
  });
});

describe('the reader of doc comments', () => {
  const SOURCE = `
import * as z from 'zod/mini';
/** Not of a key. */
const OBJECT = { a: 1 };
const off = z.literal(false);
// const commented = z.strictObject({ /** No. */ nothing: off });
const whole = (least: number) => z.int().check(z.minimum(least));
export const INNER: Schema = z.strictObject({ /** Words \`{ of }\` it. @example 7 */ inner: whole(3) });
const shared = {
  /** Fits /[/'"]{2}/, and more. */
  shared: z.optional(z.union([INNER, off])),
};
export const KEYS = {
  ...shared,
  /**
   * Two lines
   * of words. @example ['a/b']
   */
  'list-of': z.array(z.string().check(z.regex(/^[/'"\\/a-z]{1,9}$/, 'words'))),
  silent: z.string(),
};
export const Whole = z.prefault(z.strictObject({ /** Spread, then own. */ own: whole(1), ...KEYS }), {});
`;
  const constants = new Map([['a.ts', readConstants('a.ts', SOURCE)]]);
  const keysOf = (name: string) => findKeys(constants.get('a.ts')!.get(name)!, constants);

  it('finds the keys of an object schema with their words, through spread fragments and other constants', () => {
    expect(keysOf('Whole').map(({ name, words, example }) => [name, words, example])).toEqual([
      ['own', 'Spread, then own.', undefined],
      ['shared', `Fits /[/'"]{2}/, and more.`, undefined],
      ['list-of', 'Two lines of words.', "['a/b']"],
      ['silent', '', undefined],
    ]);
    const [, shared] = keysOf('Whole');
    expect(findKeys(shared!.value, constants)).toMatchObject([{ name: 'inner', words: 'Words `{ of }` it.', example: '7' }]);
  });

  it('describes what it finds by the schema, and names every key without words or example', () => {
    const inner = z.strictObject({ inner: z.int().check(z.minimum(3)) });
    const schema = z.prefault(
      z.strictObject({
        own: z._default(z.int().check(z.minimum(1), z.maximum(9)), 4),
        shared: z.optional(z.union([inner, z.literal(false)])),
        'list-of': z.array(z.string()),
        silent: z.string(),
      }),
      { 'list-of': [], silent: '' },
    );
    const sections = describeKeys(schema, { written: keysOf('Whole'), constants });
    expect(sections.map(({ place }) => place)).toEqual(['', 'shared']);
    const told = sections[0]!.keys.map(({ name, standard, takes, example }) => [name, standard, takes, example]);
    expect(told).toEqual([
      ['own', '4', 'whole number, 1 to 9', '4'],
      ['shared', '', 'object, see below or `false`', '{ inner: 7 }'],
      ['list-of', 'needed', 'list: text', "['a/b']"],
      ['silent', 'needed', 'text', ''],
    ]);
    expect(findMissing(sections)).toEqual(['silent: has no doc comment', 'silent: has no @example in its doc comment']);
  });
});
