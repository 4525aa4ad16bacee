/*
 * The example that `.dev.vars` is copied from: it names what the gateway needs, and nothing that it does not know.
 */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readConfig } from '#src/config/config.ts';

/** What wrangler.toml sets for everyone. */
const PLAIN = { BRIDGE_URL: 'http://127.0.0.1:8404', NETWORK: 'regtest' };
const text = readFileSync('.dev.vars.example', 'utf8');

function problemsWith(variables: Readonly<Record<string, string | undefined>>, gateway: object = {}): readonly string[] {
  const config = readConfig(gateway, { ...PLAIN, ...variables });
  return config.ok ? [] : config.refusal;
}

describe('.dev.vars.example', () => {
  it('makes a gateway once its secrets are filled in, with every line in use', () => {
    const every = parseEnv(text.replace(/^# (?=[A-Z_0-9]+=)/gm, ''));
    expect(Object.keys(every).toSorted()).toEqual(['BRIDGE_SECRET', 'ORIGIN_URL', 'PRICE_SATS', 'TOKEN_SECRET_1']);
    expect(problemsWith({ ...every, TOKEN_SECRET_1: '0a'.repeat(32), BRIDGE_SECRET: '0b'.repeat(32) })).toEqual([]);
  });

  it('holds no secret that could be used as it is: each one that is not filled in is named', () => {
    const problems = problemsWith(parseEnv(text), { origin: 'http://origin.test' });
    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['TOKEN_SECRET_1', 'BRIDGE_SECRET']);
  });

  it('leaves the origin and the prices to gateway.config.ts until a line is taken into use', () => {
    expect(Object.keys(parseEnv(text)).toSorted()).toEqual(['BRIDGE_SECRET', 'TOKEN_SECRET_1']);
  });

  it('is in the repository, and .dev.vars is not', () => {
    const ignored = readFileSync('.gitignore', 'utf8').split('\n');
    expect(ignored.filter((line) => line.startsWith('.dev'))).toEqual(['.dev.vars']);
  });
});

describe('a gateway without .dev.vars', () => {
  it('names everything that is missing at once, and says what it is', () => {
    const problems = problemsWith({});
    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['BRIDGE_SECRET', 'TOKEN_SECRET_1', 'gateway.config.ts']);
    for (const problem of problems.slice(0, 2)) expect(problem).toMatch(/missing.*32 bytes of hex/);
  });

  it('asks for the secret of another key when that signs, and shows no value that stands in its place by mistake', () => {
    expect(problemsWith({ TOKEN_KEY_ID: '7' })[1]).toMatch(/^TOKEN_SECRET_7: missing/);
    for (const pasted of ['c0ffee'.repeat(11), '31'.repeat(32)]) {
      const problems = problemsWith({ TOKEN_KEY_ID: pasted }).join('\n');
      expect(problems).toContain('TOKEN_KEY_ID: ');
      expect(problems).not.toContain(pasted);
      expect(problems).not.toContain('TOKEN_SECRET_');
    }
  });

  it('names the plain settings that are missing too', () => {
    const config = readConfig({}, {});
    const problems = config.ok ? [] : config.refusal;
    for (const name of ['BRIDGE_URL', 'NETWORK']) expect(problems.join('\n')).toMatch(new RegExp(`^${name}: missing`, 'm'));
  });
});
