/*
 * How fast an upload moves when its origin fails: who trickles until then pays, who sends does not (M40). Origins, clients and
 * time are the test's.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { openShop, openUpload, post, resets, shop } from './upload-shop.ts';

beforeEach(() => reset());

interface Pace {
  readonly seconds: number;
  readonly fail: () => Promise<Response>;
  readonly lateMs?: number;
  readonly ends?: boolean;
}
/** Sends a line, then parts of `bytes` a second apart until the origin fails; the upload may have ended by then. */
async function moveAt(bytes: number, { seconds, fail, lateMs = 0, ends = false }: Pace) {
  let nowMs = Date.now();
  const upload = openUpload();
  const begun = Promise.withResolvers<void>();
  const answers: GateDeps['origin'] = async (request) => {
    begun.resolve();
    const reader = (request.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    for (let second = 0; second < seconds; second++) {
      // The gateway turns to its client.
      await scheduler.wait(0);
      nowMs += 1000;
      upload.send('.'.repeat(bytes));
      for (let taken = 0; taken < bytes;) taken += (await reader.read()).value!.byteLength;
    }
    if (ends) {
      upload.end();
      await reader.read();
    } else upload.send('more');
    return fail();
  };
  const gateway = { ...shop, policy: { breaker: {} } };
  const { door, outcomes, votes } = openShop(answers, { gateway, parts: { clock: () => nowMs } });
  const asked = door.ask('/call/job', await post('call', upload.body));
  await begun.promise;
  nowMs += lateMs;
  upload.send('lines');
  return [(await asked).status, outcomes(), votes.map(({ outcome }) => outcome)];
}
const says500 = () => Promise.resolve(new Response('', { status: 500 }));

describe('an upload', () => {
  it('M40: that trickles until the origin loses patience is counted and votes for nothing, whether it answers 500 or goes', async () => {
    expect(await moveAt(1, { seconds: 3, fail: resets })).toEqual([408, ['counted'], []]);
    expect(await moveAt(1, { seconds: 3, fail: says500 })).toEqual([500, ['counted'], []]);
    expect(await moveAt(1, { seconds: 3, ends: true, fail: says500 })).toEqual([500, ['counted'], []]);
  });

  it('M40: that moves is given back without a vote when the origin fails, however long it takes', async () => {
    expect(await moveAt(65_536, { seconds: 9, fail: resets })).toEqual([502, ['released'], []]);
    expect(await moveAt(65_536, { seconds: 9, fail: says500 })).toEqual([500, ['released'], []]);
  });

  it('M40: is given back when its first part came late and the origin fails: it had nothing to work on before', async () => {
    expect(await moveAt(1, { lateMs: 20_000, seconds: 0, fail: says500 })).toEqual([500, ['released'], []]);
    expect(await moveAt(1, { lateMs: 20_000, seconds: 3, fail: says500 })).toEqual([500, ['counted'], []]);
  });
});
