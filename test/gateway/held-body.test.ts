/*
 * Places for bodies that are read into memory: who gives way when there are none left.
 */
import { describe, expect, it } from 'vitest';
import { createHeldBodies, MOST_HELD, type BodyHolder } from '#gateway/request/held-body.ts';

/** Bodies that trickle, and the readings of them. */
function open() {
  const bodies = createHeldBodies(() => new Promise(() => undefined));
  const begin = (holder: BodyHolder) => {
    let end = () => undefined as void;
    const body = new ReadableStream<Uint8Array>({ start: (control) => void (end = () => control.close()) });
    const request = new Request('http://shop.test/', { method: 'POST', body, duplex: 'half' } as RequestInit);
    const read = Promise.resolve(bodies.read(request, { most: 100, holder }));
    return { end, read: read.then((outcome) => (outcome.ok ? 'read' : outcome.refusal.code)) };
  };
  return { begin };
}

describe('the places for bodies of payers', () => {
  it('M32 M35: are given up by whoever holds most of them, however many payments it has, and by nobody else', async () => {
    const { begin } = open();
    const honest = begin({ kind: 'paid', client: 'honest payment', address: '192.0.2.1' });
    const crowd = Array.from({ length: MOST_HELD.paid - 1 }, (_, index) =>
      begin({ kind: 'paid', client: `payment ${index % 7}-${index}`, address: '198.51.100.1' }),
    );
    for (let more = 0; more < 10; more++) crowd.push(begin({ kind: 'paid', client: `payment more ${more}`, address: '198.51.100.1' }));
    honest.end();
    expect(await honest.read).toBe('read');
    expect(await Promise.race(crowd.map(({ read }) => read))).toBe('bodies_crowded');
    for (const { end } of crowd.slice(10)) end();
    expect(await Promise.all(crowd.map(({ read }) => read))).toEqual([
      ...Array.from({ length: 10 }, () => 'bodies_crowded'),
      ...Array.from({ length: MOST_HELD.paid - 1 }, () => 'read'),
    ]);
  });
});
