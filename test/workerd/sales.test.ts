/*
 * What was sold, as the seller is told: once a payment, and once a use that is counted, through the front door over real objects.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Terms } from '#protocol/terms.ts';
import { type Gateway } from '#src/config/config.ts';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

beforeEach(() => reset());

const routes: Gateway['routes'] = [
  { match: '/once', service: 'once', priceSats: 1 },
  { match: '/pack', service: 'pack', priceSats: 5, access: { calls: 3 } },
  { match: '/pass', service: 'pass', priceSats: 7, access: { seconds: 3600 } },
];

function openShop(status = () => 200) {
  const door = openGateway({ routes }, { parts: { origin: () => Promise.resolve(new Response('', { status: status() })) } });
  const told = (wanted: string) => door.logged.flatMap(([event, fields]) => (event === wanted ? [fields] : []));
  const use = (path: string, { token, preimage }: { token: string; preimage: Uint8Array }) =>
    door.ask(path, { headers: { authorization: `L402 ${token}:${formatHex(preimage)}` } });
  return { use, payments: () => told('payment'), uses: () => told('use') };
}
const PASS: Partial<Terms> = { access: { kind: 'pass' } };
const PACK: Partial<Terms> = { access: { kind: 'calls', calls: 3 } };

describe('a payment', () => {
  it('is told once with what was paid, however often it is used; each use is told without a price', async () => {
    const { use, payments, uses } = openShop();
    const pack = await makeToken({ service: 'pack', terms: PACK });
    for (let call = 0; call < 3; call++) await use('/pack', pack);
    expect(payments()).toEqual([
      {
        match: '/pack',
        service: 'pack',
        scheme: 'L402',
        access: 'calls',
        amount_msat: expect.stringMatching(/^[1-9][0-9]*$/),
        claim: expect.stringMatching(/^[0-9a-f]{32}$/),
      },
    ]);
    expect(uses()).toHaveLength(3);
    expect(uses()[0]).toEqual({ match: '/pack', service: 'pack', outcome: 'counted', origin: 200, claim: expect.any(String) });
    const { claim } = payments()[0]!;
    expect(uses().every((one) => String(one['claim']).startsWith(`${String(claim)}-`))).toBe(true);
  });

  it('is told once when its first call fails and is made again', async () => {
    const statuses = [500, 200];
    const { use, payments, uses } = openShop(() => statuses.shift()!);
    const once = await makeToken({ service: 'once' });
    for (let call = 0; call < 2; call++) await use('/once', once);
    expect(payments()).toHaveLength(1);
    expect(uses().map(({ outcome }) => outcome)).toEqual(['released', 'counted']);
  });

  it('is told once when many uses race, also through narrowed tokens', async () => {
    const { use, payments } = openShop();
    const { token, preimage } = await makeToken({ service: 'pack', terms: PACK });
    const child = await attenuate(token, { maxCalls: 1 });
    await Promise.all(Array.from({ length: 20 }, (_, index) => use('/pack', { token: index % 2 === 0 ? token : child, preimage })));
    expect(payments()).toHaveLength(1);
  });

  it('of a pass is told once by all isolates', async () => {
    const pass = await makeToken({ service: 'pass', terms: PASS });
    const isolates = [openShop(), openShop(), openShop()];
    for (const { use } of isolates) for (let call = 0; call < 3; call++) expect((await use('/pass', pass)).status).toBe(200);
    const told = isolates.flatMap(({ payments }) => payments());
    expect(told).toEqual([expect.objectContaining({ access: 'pass', amount_msat: expect.stringMatching(/^[1-9][0-9]*$/) })]);
    expect(isolates.flatMap(({ uses }) => uses())).toEqual([]);
  });

  it('that is not good is not told', async () => {
    const { use, payments } = openShop();
    const once = await makeToken({ service: 'once' });
    await use('/pack', once);
    await use('/once', { token: once.token, preimage: new Uint8Array(32) });
    expect(payments()).toEqual([]);
  });
});
