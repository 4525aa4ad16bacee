/*
 * What only LND does: certificates that nobody vouches for, permissions inside the macaroon, errors that are told apart by
 * their words.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { auditMacaroon } from '#lnd-bridge/nodes/lnd-macaroon.ts';
import { readCertificates, readFingerprint } from '#lnd-bridge/nodes/tls-pin.ts';
import { issueCertificate, makeAuthority, makeCertificate } from '#support/nodes/certificate.ts';
import { GATEWAY_PERMISSIONS, makeLndMacaroon, startLndServer } from '#support/nodes/lnd-server.ts';
import { createTestLedger, NODE_KEY_HEX } from '#support/nodes/node-ledger.ts';
import { check, down, mint, order, startBackend } from './backends.ts';
import { createTestClock } from './bridge-harness.ts';

describe('the certificate of an LND node', () => {
  test('is trusted when pinned by file or by fingerprint, whatever name is in it', async () => {
    const certificate = makeCertificate('some other host');
    const server = await startLndServer(createTestLedger(createTestClock()), { macaroonHex: 'ab', certificate });
    onTestFinished(() => server.close());
    const withColons = certificate.sha256Hex.toUpperCase().match(/../g)!.join(':');
    const pins = [
      readCertificates(certificate.certPem),
      readCertificates(certificate.der),
      readFingerprint(`SHA256 Fingerprint=${withColons}`),
    ];
    for (const pin of pins) {
      const { node } = await startBackend('lnd', { url: server.url, pin });
      expect(await node.health()).toBe('ok');
    }
  });

  test('another one, or one that nobody vouches for, is refused before a byte of the macaroon is sent', async () => {
    const backend = await startBackend('lnd');
    const pins = [
      undefined,
      readFingerprint('ab'.repeat(32)),
      readCertificates(makeCertificate().certPem),
      readCertificates(makeAuthority().certPem),
    ];
    for (const pin of pins) {
      const node = backend.reopen({ pin });
      expect(await node.mint(order())).toMatchObject(down('tls_untrusted'));
      expect(await node.inspect()).toContainEqual(expect.objectContaining({ severity: 'problem', code: 'tls_untrusted' }));
    }
    expect(backend.server.calls).toEqual([]);
  });

  test('issued by the authority of the node is trusted, and by another of the same name is not', async () => {
    const authority = makeAuthority();
    const ledger = createTestLedger(createTestClock());
    const server = await startLndServer(ledger, { macaroonHex: 'ab', certificate: issueCertificate(authority) });
    onTestFinished(() => server.close());
    const { reopen } = await startBackend('lnd', { url: server.url });
    expect(await reopen({ pin: readCertificates(authority.certPem) }).health()).toBe('ok');
    expect(await reopen({ pin: readCertificates(makeAuthority().certPem) }).health()).toBe('node_unavailable');
  });

  test('a file without one, and a fingerprint of another length, are no pins', () => {
    for (const text of ['', 'no pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])
      expect(readCertificates(text)).toBeUndefined();
    for (const text of ['', 'ab', 'ab'.repeat(20), 'zz'.repeat(32)]) expect(readFingerprint(text)).toBeUndefined();
  });
});

describe('the macaroon of an LND node', () => {
  test('P23 the least one that the docs name is enough and cannot spend', () => {
    expect(auditMacaroon(makeLndMacaroon(GATEWAY_PERMISSIONS))).toEqual({ spending: [], missing: [] });
  });

  test('P23 the stock invoice macaroon is enough too; a read-only one cannot mint', () => {
    const invoice = ['address:read', 'address:write', 'invoices:read', 'invoices:write', 'onchain:read'];
    expect(auditMacaroon(makeLndMacaroon(invoice))).toEqual({ spending: [], missing: [] });
    const readOnly = ['info:read', 'invoices:read', 'offchain:read', 'onchain:read', 'peers:read', 'macaroon:read'];
    expect(auditMacaroon(makeLndMacaroon(readOnly))).toMatchObject({ missing: ['AddInvoice'] });
  });

  test('P23 a macaroon that pays cannot mint, and every way to spend or to make a stronger one is named', () => {
    const pay = ['uri:/routerrpc.Router/SendPaymentV2', 'uri:/routerrpc.Router/TrackPaymentV2'];
    expect(auditMacaroon(makeLndMacaroon(pay))?.missing).toContain('AddInvoice');
    expect(auditMacaroon(makeLndMacaroon(pay))?.spending).toContain('uri:/routerrpc.Router/SendPaymentV2');
    for (const permission of ['offchain:write', 'onchain:write', 'macaroon:generate', 'signer:generate', 'peers:write', 'unheard:of']) {
      expect(auditMacaroon(makeLndMacaroon([...GATEWAY_PERMISSIONS, permission]))?.spending).toEqual([permission]);
    }
  });

  test('that cannot be read may be able to spend: the bridge says so', async () => {
    for (const text of ['', 'zz', '0201', 'ab'.repeat(80)]) expect(auditMacaroon(text)).toBeUndefined();
    const { node } = await startBackend('lnd', { macaroonHex: 'ab'.repeat(80) });
    expect(await node.inspect()).toContainEqual(expect.objectContaining({ severity: 'warning', code: 'credential_too_strong' }));
  });

  test('without GetInfo needs the public key in the settings, and sells then', async () => {
    const backend = await startBackend('lnd');
    backend.ledger.troubles.forbid = ['/v1/getinfo', '/v1/balance/channels'];
    expect(await check(backend).mint(order())).toMatchObject(down('permission_missing'));
    expect(await backend.node.inspect()).toEqual([expect.objectContaining({ severity: 'problem', code: 'credential_too_weak' })]);
    const stated = backend.reopen({ statedKeyHex: NODE_KEY_HEX });
    await mint(check({ ...backend, node: stated }));
    expect((await stated.inspect()).map(({ severity }) => severity)).toEqual(['note', 'note']);
  });
});

describe('an LND node in trouble', () => {
  test('a locked wallet, a node that starts and one that syncs are told apart', async () => {
    const { node, ledger, reopen } = await startBackend('lnd');
    ledger.troubles.locked = true;
    expect(await node.mint(order())).toMatchObject(down('wallet_locked'));
    expect(await node.health()).toBe('node_unavailable');
    expect((await reopen().inspect()).map(({ code }) => code)).toEqual(['wallet_locked']);
    ledger.troubles.locked = undefined;
    ledger.troubles.starting = true;
    expect(await node.mint(order())).toMatchObject(down('starting'));
    ledger.troubles.starting = undefined;
    ledger.troubles.syncing = true;
    expect((await node.inspect()).map(({ code }) => code)).toEqual(['syncing']);
  });

  test('a cancelled invoice ends a wait and is no longer handed out', async () => {
    const { node, ledger } = await startBackend('lnd');
    const ordered = order();
    const minted = await node.mint(ordered);
    const hash = minted.ok ? minted.value.paymentHashHex : '';
    const waiting = node.waitSettled(hash, { signal: new AbortController().signal });
    setImmediate(() => ledger.cancel(hash));
    expect(await waiting).toEqual({ ok: true, value: { paymentHashHex: hash, state: 'canceled' } });
    expect(await node.mint(ordered)).toMatchObject({ ok: false, refusal: { code: 'idempotency_key_used' } });
  });

  test('private channels are hinted at only when asked for', async () => {
    const { ledger, reopen, server } = await startBackend('lnd');
    await mint(reopen({ privateHints: true }));
    expect(ledger.invoices).toHaveLength(1);
    expect(server.bodies.map((body) => (JSON.parse(body) as { private: boolean }).private)).toEqual([true]);
  });
});
