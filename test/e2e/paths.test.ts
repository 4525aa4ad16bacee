/*
 * Hostile paths over raw sockets, against an expensive route among cheap and free ones, in front of origins that read paths as
 * nginx, Express and Tomcat do: the expensive answer never comes cheap (M25, M26).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOSTILE_TARGETS, ORIGINS, readersOf } from '#support/hostile-paths.ts';
import { sendRaw } from '#support/raw-http.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem([{ name: 'gateway', bundle: 'neighbour' }]);
});
afterAll(() => system.close());

/** Asked side by side; the machine has few cores, and the answers do not depend on it. */
const AT_ONCE = 16;

/** What came back cheap or free for each target although some origin would have given the expensive answer. */
async function findLeaks(targets: readonly string[]): Promise<readonly string[]> {
  const leaks: string[] = [];
  const queue = targets.values();
  const ask = async (target: string) => {
    const unpaid = await sendRaw(system.ports['gateway']!, { target });
    const { authorization } = await makeToken({ service: 'neighbour' });
    const cheap = await sendRaw(system.ports['gateway']!, { target, headers: { authorization } });
    for (const { body, status } of [unpaid, cheap]) if (body.includes('DEAR') || status === 500) leaks.push(`${target}: ${body}`);
  };
  const work = async () => {
    for (const target of queue) await ask(target);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return leaks;
}

describe('an expensive route', () => {
  it('M25: is never served cheap or free, however its path is spelled, by an origin that reads paths like nginx, Express or Tomcat', async () => {
    expect(HOSTILE_TARGETS.length).toBeGreaterThan(500);
    // Forwarded as they are, many of these would be the expensive route for each kind of origin.
    for (const kind of Object.keys(ORIGINS))
      expect(HOSTILE_TARGETS.filter((target) => readersOf(target).includes(kind)).length).toBeGreaterThan(100);
    system.origin.respond = ({ url = '' }, response) => {
      const readers = readersOf(url);
      response.end(readers.length > 0 ? `DEAR for ${readers.join(', ')}` : 'cheap');
    };
    expect(await findLeaks(HOSTILE_TARGETS)).toEqual([]);
    const { authorization } = await makeToken({ service: 'premium' });
    expect((await sendRaw(system.ports['gateway']!, { target: '/premium', headers: { authorization } })).body).toContain('DEAR');
    system.origin.respond = undefined;
  });

  it('M25: is as safe behind a prefix that is stripped on the way', async () => {
    system.origin.respond = ({ url = '' }, response) => void response.end(readersOf(url).length > 0 ? 'DEAR' : 'cheap');
    const prefixed = HOSTILE_TARGETS.filter((target) => target.startsWith('/') && !target.startsWith('/free')).map(
      (target) => `/v1${target}`,
    );
    expect(prefixed.length).toBeGreaterThan(500);
    expect(await findLeaks(prefixed)).toEqual([]);
    const { authorization } = await makeToken({ service: 'premium-v1' });
    expect((await sendRaw(system.ports['gateway']!, { target: '/v1/premium', headers: { authorization } })).body).toContain('DEAR');
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
    const expensive = [
      'svc=dear&svc=x',
      'svc=x&svc=dear',
      '%73vc=dear',
      'SVC=dear',
      'svc[]=dear',
      'svc%5B%5D=dear',
      'a;svc=dear',
      '+svc=dear',
    ];
    for (const query of expensive) {
      const { authorization } = await makeToken({ service: 'neighbour' });
      const answer = await sendRaw(system.ports['gateway']!, { target: `/agent?${query}`, headers: { authorization } });
      expect([answer.status, answer.body.includes('"parameter_ambiguous"')], query).toEqual([400, true]);
    }
    const { authorization } = await makeToken({ service: 'neighbour' });
    const encoded = await sendRaw(system.ports['gateway']!, { target: '/agent?svc=%64ear', headers: { authorization } });
    expect(encoded.body).toContain('"service_wrong"');
  });

  it('M26: a header field that decides the price stands once, under its literal name, and does not end at this hop', async () => {
    const ambiguous = [
      ['X-Plan: basic', 'X-Plan: pro'],
      ['X-Plan: basic, pro'],
      ['X_Plan: pro'],
      ['X-Plan: basic', 'x_plan: pro'],
      ['X-Plan: PRO'],
      ['X-Plan: pro', 'Connection: x-plan'],
    ];
    for (const lines of ambiguous) {
      const { authorization } = await makeToken({ service: 'neighbour' });
      const answer = await sendRaw(system.ports['gateway']!, { target: '/planned', lines, headers: { authorization } });
      expect([answer.status, answer.body.includes('"header_ambiguous"')], lines.join()).toEqual([400, true]);
    }
    const { authorization } = await makeToken({ service: 'neighbour' });
    const pro = await sendRaw(system.ports['gateway']!, { target: '/planned', lines: ['x-PLAN:  pro '], headers: { authorization } });
    expect(pro.body).toContain('"service_wrong"');
    const other = await sendRaw(system.ports['gateway']!, { target: '/planned', lines: ['X-Plan: basic'], headers: { authorization } });
    expect(other.status).toBe(200);
  });
});
