/*
 * Hostile paths over raw sockets, against a dear route among cheap and free ones, in front of origins that read paths as
 * nginx, Express and Tomcat do: the dear answer never comes cheap (M25, M26).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRaw } from '#support/raw-http.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem([{ name: 'gateway', bundle: 'neighbour' }]);
});
afterAll(() => system.close());

const decode = (path: string) => {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};
const resolveDots = (path: string) => {
  const kept: string[] = [];
  for (const part of path.split('/').slice(1)) {
    if (part === '..') kept.pop();
    else if (part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
};

/** What each kind of server makes of a path. */
const ORIGINS: Readonly<Record<string, (path: string) => string>> = {
  nginx: (path) => resolveDots(decode(path).replace(/\/+/g, '/')),
  express: (path) => decode(path).toLowerCase().replace(/\/+$/, ''),
  tomcat: (path) =>
    resolveDots(
      decode(path.replace(/;[^/]*/g, ''))
        .replaceAll('\\', '/')
        .replace(/\/+/g, '/'),
    ),
};

const SPELLINGS = [
  ...['/premium', '/Premium', '/PREMIUM', '/premium/', '/premium//', '//premium', '/./premium', '/a/../premium', '/free/../premium'],
  ...[
    '/premium/.',
    '/premium/..;/premium',
    '/premium;x=1',
    '/;x/premium',
    '/free/..;/premium',
    '/%70remium',
    '/premiu%6d',
    '/premium%2f',
    '/premium%2F',
  ],
  ...[
    '/%2e/premium',
    '/free/%2e%2e/premium',
    '/free/..%2fpremium',
    '/free%2f..%2fpremium',
    '/%2570remium',
    '/premium%00',
    '/premium%20',
    '/premium.',
  ],
  ...[
    '/free\\..\\premium',
    '\\premium',
    '/premium%5c',
    '/free/%5c..%5cpremium',
    '/%ef%bd%90remium',
    '/premium%c0%af',
    '/premium%09',
    '/free/%252e%252e/premium',
  ],
  ...[
    '/premium?x',
    '/free/x?/../premium',
    '/premium#x',
    'http://other/premium',
    '/free/.%2e/premium',
    '/free/%2E./premium',
    '/premium/%2e',
    '/premium%3b',
  ],
];

describe('a dear route', () => {
  it.each(Object.keys(ORIGINS))('M25: is never served cheap or free by an origin that reads paths like %s', async (kind) => {
    system.origin.respond = (request, response) => {
      const path = ORIGINS[kind]!((request.url ?? '').split('?')[0]!);
      response.end(path === '/premium' || path.startsWith('/premium/') ? 'DEAR' : 'cheap');
    };
    for (const target of SPELLINGS) {
      const unpaid = await sendRaw(system.ports['gateway']!, { target });
      expect(unpaid.body, `${target} without payment`).not.toContain('DEAR');
      const { authorization } = await makeToken({ service: 'neighbour' });
      const cheap = await sendRaw(system.ports['gateway']!, { target, headers: { authorization } });
      expect(cheap.body, `${target} for one satoshi`).not.toContain('DEAR');
      expect(cheap.status, target).not.toBe(500);
    }
    const { authorization } = await makeToken({ service: 'premium' });
    expect((await sendRaw(system.ports['gateway']!, { target: '/premium', headers: { authorization } })).body).toContain('DEAR');
    system.origin.respond = undefined;
  });

  it('M25: a malformed path gets a 400 of its own and never an invoice', async () => {
    for (const target of ['//premium', '/a/../premium', '/%70remium', '/premium;x', '/premium%2f']) {
      const answer = await sendRaw(system.ports['gateway']!, { target });
      expect([answer.status, answer.head.includes('\r\nWWW-Authenticate:')], target).toEqual([400, false]);
      expect(answer.body).toContain('"path_malformed"');
    }
    expect((await sendRaw(system.ports['gateway']!, { target: '/Premium' })).body).toContain('"path_ambiguous"');
  });

  it('M26: a parameter that decides the price stands once, under its literal name', async () => {
    const dear = ['svc=dear&svc=x', 'svc=x&svc=dear', '%73vc=dear', 'SVC=dear', 'svc[]=dear', 'svc%5B%5D=dear', 'a;svc=dear', '+svc=dear'];
    for (const query of dear) {
      const { authorization } = await makeToken({ service: 'neighbour' });
      const answer = await sendRaw(system.ports['gateway']!, { target: `/agent?${query}`, headers: { authorization } });
      expect([answer.status, answer.body.includes('"parameter_ambiguous"')], query).toEqual([400, true]);
    }
    const { authorization } = await makeToken({ service: 'neighbour' });
    const encoded = await sendRaw(system.ports['gateway']!, { target: '/agent?svc=%64ear', headers: { authorization } });
    expect(encoded.body).toContain('"service_wrong"');
  });
});
