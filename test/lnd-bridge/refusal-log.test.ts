import { describe, expect, test } from 'vitest';
import { anOrder, createTestClock, START_SECONDS, startTestBridge } from './bridge-harness.ts';

describe('the log of refusals', () => {
  test('has one line a second for each code, however many unsigned requests come, and counts them all', async () => {
    const clock = createTestClock();
    const { url, logged, close } = await startTestBridge({ clock });
    const ask = (path: string) => fetch(`${url}${path}`, { method: 'POST' });
    const lines = (code: string) => logged.filter((entry) => entry['code'] === code);
    for (let times = 0; times < 20; times++) {
      expect((await ask('/v1/invoices')).status).toBe(401);
      expect((await ask('/nowhere')).status).toBe(404);
    }
    const first = { event: 'request_refused', code: 'unsigned', status: 401, count: 1 };
    expect(lines('unsigned')).toEqual([first]);
    expect(lines('not_found')).toHaveLength(1);
    clock.set(START_SECONDS + 1);
    for (let times = 0; times < 3; times++) await ask('/v1/invoices');
    expect(lines('unsigned')).toEqual([first, { ...first, count: 20 }]);
    await close();
    expect(lines('unsigned').map(({ count }) => count)).toEqual([1, 20, 2]);
    expect(lines('not_found').map(({ count }) => count)).toEqual([1, 19]);
  });

  test('is bounded for a recorded request that is sent again and again, too', async () => {
    const { call, logged } = await startTestBridge();
    const recorded = { body: anOrder(), nonceHex: 'ab'.repeat(16) };
    expect((await call(recorded)).status).toBe(200);
    for (let times = 0; times < 20; times++) expect((await call(recorded)).body).toMatchObject({ code: 'replayed' });
    expect(logged.filter(({ event }) => event === 'request_refused')).toHaveLength(1);
  });

  test('tells another code at once, in the same second', async () => {
    const { call, url, logged } = await startTestBridge();
    await fetch(`${url}/v1/invoices`, { method: 'POST' });
    await call({ body: anOrder({ memo: 7 }) });
    expect(logged.map(({ code }) => code)).toEqual(['unsigned', 'body_invalid']);
  });
});
