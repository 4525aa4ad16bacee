/*
 * The readers of what decides a price, fuzzed: they read or refuse, never throw, and never read what an origin could read otherwise.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHeldBodies } from '#gateway/request/held-body.ts';
import { readHeaders } from '#gateway/request/priced-headers.ts';
import { readEveryParameter, readParameters } from '#gateway/request/query.ts';
import { type QuoteOutcome } from '#gateway/pricing/quote.ts';
import { openCounter } from '#support/price-counter.ts';

describe('the readers of what decides a price', () => {
  const piece = fc.oneof(
    fc.constantFrom('n', 'N', 'n[]', '%6e', 'n%5b', '=', '&', ';', '+', '%', '%00', '%zz', '1', '05', '#', '?', ' ', '_', '.'),
    fc.string({ unit: 'binary', maxLength: 4 }),
  );
  const query = fc.array(piece, { maxLength: 12 }).map((pieces) => `?${pieces.join('')}`);

  it('M26: any query is read or refused, never thrown at, and a value is read from one place only', () => {
    fc.assert(
      fc.property(query, (text) => {
        const one = readParameters(text, ['n']);
        const all = readEveryParameter(text);
        if (one.ok && one.value.has('n'))
          expect(
            text
              .slice(1)
              .split('&')
              .filter((pair) => /^n(=|$)/.test(pair)),
          ).toHaveLength(1);
        // Whatever the strict reader takes, the other reads alike.
        for (const [name, value] of all.ok ? all.value : []) {
          const again = readParameters(text, [name]);
          expect(again.ok && again.value.get(name)).toBe(value);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('M26: any headers are read or refused, and a value is exactly what the one header says', () => {
    const name = fc.constantFrom('x-model', 'x_model', 'X-MODEL', 'x.model', 'connection', 'x-other');
    const value = fc.oneof(fc.constantFrom('small', 'large', 'small, large', 'x-model', ''), fc.string({ unit: 'grapheme-ascii' }));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), (entries) => {
        const read = readHeaders(new Headers(entries), ['x-model']);
        if (!read.ok || !read.value.has('x-model')) return;
        const literal = entries.filter(([sent]) => sent.toLowerCase() === 'x-model');
        expect(literal).toHaveLength(1);
        expect(read.value.get('x-model')).toBe(literal[0]![1].trim());
      }),
      { numRuns: 1000 },
    );
  });

  it('a count is the number that it spells, or nothing is sold', async () => {
    const { ask } = openCounter({ price: { parameter: 'n', unitSats: 1, max: 1000 } });
    fc.assert(
      fc.property(fc.oneof(fc.integer().map(String), fc.string({ unit: 'grapheme', maxLength: 6 })), (text) => {
        const outcome = ask(`/a?n=${encodeURIComponent(text)}`) as QuoteOutcome;
        const paid = outcome.ok ? outcome.value.quote.priceMsat : undefined;
        expect(paid).toBe(/^[1-9][0-9]*$/.test(text) && Number(text) <= 1000 ? BigInt(text) * 1000n : undefined);
      }),
      { numRuns: 1000 },
    );
  });

  it('a body is read whole up to the limit, however it is cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 }), fc.nat(80), async (chunks, most) => {
        const body = new ReadableStream({
          start(controller) {
            for (const chunk of chunks) controller.enqueue(chunk);
            controller.close();
          },
        });
        const init = { method: 'POST', body, duplex: 'half' } as const;
        const bodies = createHeldBodies(() => new Promise(() => undefined));
        const read = await bodies.read(new Request('http://shop.test/', init), { most, holder: { kind: 'unpaid', client: undefined } });
        const whole = chunks.flatMap((chunk) => [...chunk]);
        expect(read.ok ? [...read.value] : read.refusal.code).toEqual(whole.length <= most ? whole : 'body_too_large');
      }),
      { numRuns: 200 },
    );
  });
});
