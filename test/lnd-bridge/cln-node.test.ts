/*
 * What only Core Lightning does: runes whose restrictions are text, amounts in two forms, 201 for success.
 */
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { auditRune } from '#lnd-bridge/nodes/cln-rune.ts';
import { FEED_METHODS, GATEWAY_METHODS, makeRune, startClnServer } from '#support/nodes/cln-server.ts';
import { createTestLedger, NODE_KEY_HEX } from '#support/nodes/node-ledger.ts';
import { check, down, mint, order, startBackend } from './backends.ts';
import { createTestClock } from './bridge-harness.ts';

const ANY_OTHER = 'whatever other method fits it';

describe('a rune', () => {
  test('P23 that the docs name is enough and cannot spend', () => {
    expect(auditRune(makeRune([GATEWAY_METHODS]))).toEqual({ spending: [], missing: [] });
    expect(auditRune(makeRune([GATEWAY_METHODS, ['rate=60']]))).toEqual({ spending: [], missing: [] });
  });

  test('P23 without restrictions, or with none on the method, can do everything', () => {
    for (const rune of [makeRune([]), makeRune([['rate=60']]), makeRune([['method=invoice', 'rate=60']])]) {
      expect(auditRune(rune)?.spending).toContain('pay');
      expect(auditRune(rune)?.spending).toContain(ANY_OTHER);
    }
  });

  test('P23 every condition on the method is understood', () => {
    const spending = (alternatives: readonly string[]): readonly string[] | undefined => auditRune(makeRune([alternatives]))?.spending;
    expect(spending(['method^list', 'method=xpay'])).toEqual(['xpay', ANY_OTHER]);
    expect(spending(['method~pay'])).toEqual(['pay', 'xpay', 'renepay', 'sendpay', 'injectpaymentonion', ANY_OTHER]);
    expect(spending(['method$invoice'])).toEqual(['fetchinvoice', 'sendinvoice', ANY_OTHER]);
    expect(spending(['method/pay'])).not.toContain('pay');
    expect(spending(['method{b'])).toEqual([ANY_OTHER]);
    expect(spending(['method<5'])).toEqual([ANY_OTHER]);
    expect(spending(['method!'])).toEqual([ANY_OTHER]);
    expect(spending(['method=pa\\y'])).toEqual(['pay']);
    expect(auditRune(makeRune([GATEWAY_METHODS, ['method/waitinvoice']]))?.missing).toEqual(['waitinvoice']);
    expect(auditRune(makeRune([GATEWAY_METHODS]), { hasFeed: true })?.missing).toEqual(['waitanyinvoice']);
    expect(auditRune(makeRune([[...GATEWAY_METHODS, ...FEED_METHODS]]), { hasFeed: true })).toEqual({ spending: [], missing: [] });
  });

  test('P23 spends nothing only if it names its methods one by one, and none but those that the bridge calls', () => {
    const spending = (...restrictions: readonly (readonly string[])[]) => auditRune(makeRune(restrictions))?.spending;
    expect(spending(['method^list', 'method^invoice', 'method^wait', 'method=getinfo'])).toEqual([ANY_OTHER]);
    const more = ['plugin', 'sendinvoice', 'fundpsbt', 'reserveinputs', 'multiwithdraw', 'injectpaymentonion'];
    expect(spending([...GATEWAY_METHODS, ...more.map((method) => `method=${method}`)])).toEqual(more);
    expect(spending([...GATEWAY_METHODS, ...more.map((method) => `method=${method}`)], GATEWAY_METHODS)).toEqual([]);
    expect(spending([...GATEWAY_METHODS, 'method=pay'], ['method/pay'])).toEqual([]);
    expect(spending([...GATEWAY_METHODS, 'time<5'])).toContain(ANY_OTHER);
    expect(spending([...GATEWAY_METHODS, '#a remark'])).toContain(ANY_OTHER);
  });

  test('P23 that is said to spend nothing lets no method pass but those that the bridge calls, whatever its restrictions', () => {
    const needed = ['invoice', 'listinvoices', 'waitinvoice', 'waitanyinvoice', 'getinfo', 'listpeerchannels'];
    const methods = [...needed, 'pay', 'xpay', 'invoicex', 'invoicerequest', 'plugin', 'listfunds', 'waitsendpay', 'i', '', 'zzz'];
    const condition = fc.tuple(fc.constantFrom('method', 'time', ''), fc.constantFrom(...'=/^$~{}<>!#'), fc.constantFrom(...methods));
    const holds = ([field, sign, value]: readonly [string, string, string], method: string): boolean => {
      if (field !== 'method') return true;
      const judge: Readonly<Record<string, boolean>> = {
        '=': method === value,
        '/': method !== value,
        '^': method.startsWith(value),
        $: method.endsWith(value),
        '~': method.includes(value),
        '{': method < value,
        '}': method > value,
        '<': false,
        '>': false,
        '!': false,
        '#': true,
      };
      return judge[sign]!;
    };
    fc.assert(
      fc.property(fc.array(fc.array(condition, { minLength: 1, maxLength: 3 }), { maxLength: 3 }), (restrictions) => {
        const audit = auditRune(makeRune(restrictions.map((alternatives) => alternatives.map((parts) => parts.join('')))));
        if (audit?.spending.length !== 0) return;
        for (const method of methods.filter((name) => !needed.includes(name))) {
          expect(restrictions.every((alternatives) => alternatives.some((one) => holds(one, method)))).toBe(false);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('that cannot be read may be able to spend: the bridge says so', async () => {
    for (const text of ['', '%%%', 'YWJj', makeRune([['no condition']])]) expect(auditRune(text)).toBeUndefined();
    const { node } = await startBackend('cln', { rune: 'YWJj' });
    expect(await node.inspect()).toContainEqual(expect.objectContaining({ severity: 'warning', code: 'credential_too_strong' }));
  });

  test('without getinfo needs the public key in the settings, and sells then', async () => {
    const backend = await startBackend('cln');
    backend.ledger.troubles.forbid = ['getinfo', 'listpeerchannels'];
    expect(await check(backend).mint(order())).toMatchObject(down('permission_missing'));
    const stated = backend.reopen({ statedKeyHex: NODE_KEY_HEX });
    await mint(check({ ...backend, node: stated }));
    expect(await stated.health()).toBe('ok');
    expect((await stated.inspect()).map(({ severity }) => severity)).toEqual(['note', 'note']);
  });
});

describe('a Core Lightning node', () => {
  test('that writes amounts with their unit is read as well', async () => {
    const ledger = createTestLedger(createTestClock());
    const rune = makeRune([GATEWAY_METHODS]);
    const server = await startClnServer(ledger, { rune, amountsWithUnit: true });
    onTestFinished(() => server.close());
    const { reopen } = await startBackend('cln', { url: server.url, pin: undefined });
    const node = reopen();
    const minted = await mint(node);
    ledger.settle(minted.paymentHashHex);
    expect(await node.lookUp(minted.paymentHashHex)).toMatchObject({ ok: true, value: { state: 'settled', paidMsat: 10_000n } });
    expect(await node.inspect()).toEqual([]);
  });

  test('that syncs says so, and an invoice that was deleted ends a wait', async () => {
    const { node, ledger } = await startBackend('cln');
    ledger.troubles.syncing = true;
    expect((await node.inspect()).map(({ code }) => code)).toEqual(['syncing']);
    const { paymentHashHex } = await mint(node);
    const waiting = node.waitSettled(paymentHashHex, { signal: new AbortController().signal });
    setImmediate(() => ledger.cancel(paymentHashHex));
    expect(await waiting).toMatchObject({ ok: false, refusal: { code: 'invoice_unknown' } });
  });
});

describe('a phoenixd', () => {
  test('P23 tells its two passwords apart, and the full one is named', async () => {
    const { node, settings, reopen } = await startBackend('phoenixd');
    expect(await node.inspect()).toEqual([]);
    const password = 'password' in settings ? `full-${settings.password}` : '';
    expect(await reopen({ password }).inspect()).toEqual([expect.objectContaining({ severity: 'warning', code: 'credential_too_strong' })]);
  });

  test('refuses a memo of more than 128 characters before it asks', async () => {
    const { node, server } = await startBackend('phoenixd');
    expect(await node.mint(order({ memo: 'x'.repeat(129) }))).toMatchObject({ ok: false, refusal: { code: 'order_refused' } });
    expect(server.calls).toEqual([]);
    await mint(node, { memo: 'x'.repeat(128) });
  });
});
