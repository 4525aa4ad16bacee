/*
 * What every backend that is reached over a wire must hold beyond its port: lies, secrets, restarts, nodes in trouble.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NODE_KEY_HEX, FOREIGN_SECRET } from '#support/nodes/node-ledger.ts';
import { BACKENDS, check, down, mint, order, startBackend } from './backends.ts';
import { START_SECONDS } from './bridge-harness.ts';

const used = { ok: false, refusal: { code: 'idempotency_key_used' } };
const wrong = { ok: false, refusal: { code: 'node_answer_wrong' } };

describe.each(BACKENDS)('F1 F5 the wire of the %s backend', (kind) => {
  test('M23 rule 1: another amount, another hash or the signature of another node is refused', async () => {
    const backend = await startBackend(kind);
    const { troubles } = backend.ledger;
    troubles.extraMsat = 1n;
    expect(await check(backend).mint(order())).toMatchObject(wrong);
    troubles.extraMsat = undefined;
    troubles.wrongHash = true;
    expect(await check(backend).mint(order())).toMatchObject(wrong);
    troubles.wrongHash = undefined;
    troubles.signer = FOREIGN_SECRET;
    expect(await check(backend).mint(order())).toMatchObject({ ok: false, refusal: { detail: 'the invoice was signed by another node' } });
    troubles.signer = undefined;
    expect((await check(backend).mint(order())).ok).toBe(true);
  });

  test('rules 3 and 4: has no way to pay, and asks the node for nothing that spends', async () => {
    const backend = await startBackend(kind);
    const { node, server } = backend;
    const { paymentHashHex } = await mint(node);
    await node.lookUp(paymentHashHex);
    await node.inspect();
    await node.health();
    expect(Object.keys(node).filter((name) => /pay|send|withdraw|close[A-Z]/i.test(name))).toEqual([]);
    const spending = server.calls.filter(
      (call) => /pay(?!ments)|send|withdraw|fund|channel(?!s$|balances)/i.test(call) && !call.includes('listpeerchannels'),
    );
    // An empty order to pay is how phoenixd tells its two passwords apart.
    expect(spending.filter((call) => call !== 'POST /payinvoice')).toEqual([]);
  });

  test('rule 5 M28: neither credential nor preimage comes out, whatever goes wrong', async () => {
    const backend = await startBackend(kind);
    const { ledger, node, secrets } = backend;
    const minted = await mint(node);
    const preimage = ledger.find(minted.paymentHashHex)!.preimageHex;
    const said: unknown[] = [minted, await node.lookUp(minted.paymentHashHex)];
    const replies = [
      { status: 500, text: `{"code":2,"message":"${secrets[0]} ${preimage}"}` },
      { status: 400, text: `${secrets[0]} ${preimage}` },
      { status: 401, text: `${secrets[0]} ${preimage}` },
      { status: 200, text: `{"type":"payment-failed","failures":["${preimage}"]}` },
      { status: 200, text: preimage },
      { status: 201, text: `{"result":{"r_preimage":"${preimage}"}}` },
    ];
    for (const reply of replies) {
      ledger.troubles.reply = reply;
      const fresh = backend.reopen();
      said.push(await fresh.mint(order()), await fresh.lookUp(minted.paymentHashHex), await fresh.nodeKeyHex(), await fresh.inspect());
    }
    ledger.troubles.reply = undefined;
    ledger.settle(minted.paymentHashHex);
    said.push(await node.lookUp(minted.paymentHashHex));
    const text = JSON.stringify(said, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
    for (const secret of [...secrets, preimage, Buffer.from(preimage, 'hex').toString('base64')]) expect(text).not.toContain(secret);
  });

  test('rule 7: the same key and order give the same invoice while it is open, also after a restart', async () => {
    const backend = await startBackend(kind);
    const ordered = order();
    const first = await backend.node.mint(ordered);
    expect(first.ok).toBe(true);
    expect(await backend.node.mint(ordered)).toEqual(first);
    expect(await check({ ...backend, node: backend.reopen() }).mint(ordered)).toMatchObject(first);
    expect(backend.ledger.invoices).toHaveLength(1);
    backend.clock.set(START_SECONDS + 600);
    expect(await backend.node.mint(ordered)).toMatchObject(used);
  });

  test('rule 8: no answer of any status and text is taken for an invoice or a state, and none is thrown', async () => {
    const backend = await startBackend(kind);
    const { ledger, node } = backend;
    const { paymentHashHex } = await mint(node);
    const statuses = fc.constantFrom(200, 201, 204, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 520);
    const anyJson = fc.json({ maxDepth: 3 });
    const texts = fc.oneof(
      anyJson,
      fc.string(),
      fc.constantFrom('', 'null', '[]', '{}', 'Not found', '{"error":"x"}', '{"invoices":[]}', '{"paymentHash":null,"serialized":null}'),
    );
    await fc.assert(
      fc.asyncProperty(statuses, texts, async (status, text) => {
        ledger.troubles.reply = status === 204 ? { status, text: '' } : { status, text };
        expect((await node.mint(order())).ok).toBe(false);
        expect((await node.lookUp(paymentHashHex)).ok).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  test('D33 a node of another network is refused before anything is minted', async () => {
    const backend = await startBackend(kind);
    backend.ledger.troubles.network = kind === 'cln' ? 'bitcoin' : 'mainnet';
    expect(await check(backend).mint(order())).toMatchObject(down('network_wrong'));
    expect(backend.ledger.invoices).toEqual([]);
    expect(await backend.node.inspect()).toContainEqual(expect.objectContaining({ severity: 'problem', code: 'network_wrong' }));
    // Nothing wrong was remembered.
    backend.ledger.troubles.network = undefined;
    expect((await check(backend).mint(order())).ok).toBe(true);
  });

  test('M23 a node with another key than stated is refused', async () => {
    const backend = await startBackend(kind, { statedKeyHex: `02${'ab'.repeat(32)}` });
    expect(await check(backend).mint(order())).toMatchObject(down('identity_wrong'));
    expect((await check({ ...backend, node: backend.reopen({ statedKeyHex: NODE_KEY_HEX }) }).mint(order())).ok).toBe(true);
  });

  test('a node that refuses the credential, hangs up, is silent or away is unavailable, each by its name', async () => {
    const backend = await startBackend(kind, { timeoutMs: 300 });
    const { node, ledger, server } = backend;
    await mint(node);
    ledger.troubles.refuseCredential = true;
    expect(await node.mint(order())).toMatchObject(down('credential_refused'));
    ledger.troubles.refuseCredential = undefined;
    ledger.troubles.hangUp = true;
    expect(await node.mint(order())).toMatchObject(down('unreachable'));
    expect(await node.health()).toBe('node_unavailable');
    ledger.troubles.hangUp = undefined;
    ledger.troubles.silent = true;
    expect(await node.mint(order())).toMatchObject(down('timeout'));
    ledger.troubles.silent = undefined;
    expect(await node.health()).toBe('ok');
    await server.close();
    expect(await node.mint(order())).toMatchObject(down('unreachable'));
    expect(await node.inspect()).toContainEqual(expect.objectContaining({ severity: 'problem', code: 'unreachable' }));
  });

  test('a kept connection that the node has closed costs no order, and makes no second invoice', async () => {
    const { node, ledger, server } = await startBackend(kind);
    await mint(node);
    ledger.troubles.hangUpAt = { path: /invoice$|^\/v1\/invoices$/, times: 1 };
    const minted = await node.mint(order());
    const asked = server.calls.filter((call) => /^POST \/(v1\/invoices?|createinvoice)$/.test(call)).length;
    // phoenixd would not know the order again, so it is not sent twice.
    if (kind === 'phoenixd') expect([minted, asked]).toMatchObject([down('unreachable'), 2]);
    else expect([minted.ok, asked]).toEqual([true, 3]);
    const lookUp = () => node.lookUp(ledger.invoices[0]!.paymentHashHex);
    await lookUp();
    ledger.troubles.hangUpAt = { path: /./, times: 1 };
    expect(await lookUp()).toMatchObject({ ok: true, value: { state: 'open' } });
  });

  test('keeps its connections and takes no more than allowed', async () => {
    const { node, server, ledger } = await startBackend(kind);
    await Promise.all(Array.from({ length: 40 }, () => mint(node)));
    expect(ledger.invoices).toHaveLength(40);
    expect(new Set(ledger.invoices.map(({ paymentHashHex }) => paymentHashHex)).size).toBe(40);
    expect(server.connections()).toBeLessThanOrEqual(4);
  });

  test('an inspection says what is wrong with liquidity, and nothing of a sound node but what its credential is', async () => {
    const { node, ledger } = await startBackend(kind);
    const sound = await node.inspect();
    expect(sound.map(({ code }) => code)).toEqual(kind === 'eclair' ? ['credential_too_strong'] : []);
    ledger.troubles.noInbound = true;
    expect((await node.inspect()).map(({ code }) => code)).toContain('no_inbound');
  });

  test('M24 an operator may ask for strict settlement', async () => {
    const { reopen } = await startBackend(kind);
    expect(reopen({ settlement: 'strict' }).settlement).toBe('strict');
  });

  test('a wait is told of the payment, and holds no call open once it is stopped', async () => {
    const { node, ledger, server } = await startBackend(kind);
    const { paymentHashHex } = await mint(node);
    const before = server.calls.length;
    const waiting = node.waitSettled(paymentHashHex, { signal: new AbortController().signal });
    while (server.calls.length === before) await new Promise(setImmediate);
    ledger.settle(paymentHashHex);
    expect(await waiting).toMatchObject({ ok: true, value: { state: 'settled', paidMsat: 10_000n } });
  });
});
