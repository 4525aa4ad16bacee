import { describe, expect, test } from 'vitest';
import { readConfig } from '#lnd-bridge/config.ts';
import { readClnrest, readLndConnect } from '#lnd-bridge/connection-strings.ts';
import { type NodeSettings } from '#lnd-bridge/nodes/open-node.ts';
import { makeAuthority, makeCertificate } from '#support/nodes/certificate.ts';
import { GATEWAY_METHODS, makeRune } from '#support/nodes/cln-server.ts';
import { GATEWAY_PERMISSIONS, makeLndMacaroon } from '#support/nodes/lnd-server.ts';

const GENERAL = { BRIDGE_SECRET: 'c3'.repeat(32), BRIDGE_PREIMAGE_SECRET: '5e'.repeat(32), BRIDGE_NETWORK: 'mainnet' };
const MACAROON = makeLndMacaroon(GATEWAY_PERMISSIONS);
const RUNE = makeRune([GATEWAY_METHODS]);
const CERTIFICATE = makeCertificate();
const LND = { BRIDGE_NODE: 'lnd', BRIDGE_NODE_URL: 'https://node.example:8080/', BRIDGE_NODE_MACAROON: MACAROON };

function problems(environment: Record<string, string>): Record<string, string> {
  const read = readConfig({ ...GENERAL, ...environment });
  return read.ok ? {} : Object.fromEntries(read.refusal.map(({ key, reason }) => [key, reason]));
}

function nodes(environment: Record<string, string>): readonly NodeSettings[] {
  const read = readConfig({ ...GENERAL, ...environment });
  if (!read.ok) throw new Error(read.refusal.map(({ key, reason }) => `${key} ${reason}`).join('; '));
  return read.value.nodes;
}

describe('the settings of a real node', () => {
  test('an LND node needs an address, a macaroon and the secret for preimages; the rest has defaults', () => {
    expect(nodes({ ...LND, BRIDGE_NODE_CERT_SHA256: CERTIFICATE.sha256Hex })).toEqual([
      {
        kind: 'lnd',
        name: 'lnd',
        url: 'https://node.example:8080',
        pin: { sha256: [expect.any(Uint8Array)], authorities: [] },
        statedKeyHex: undefined,
        settlement: 'preimage',
        timeoutMs: 4000,
        concurrency: 16,
        macaroonHex: MACAROON,
        privateHints: false,
        preimageSecret: new Uint8Array(32).fill(0x5e),
      },
    ]);
  });

  test('every kind is read with its own credential, and refuses that of another', () => {
    expect(nodes({ BRIDGE_NODE: 'cln', BRIDGE_NODE_URL: 'https://127.0.0.1:3010', BRIDGE_NODE_RUNE: RUNE })).toMatchObject([
      { kind: 'cln', rune: RUNE },
    ]);
    expect(nodes({ BRIDGE_NODE: 'eclair', BRIDGE_NODE_URL: 'http://127.0.0.1:8080', BRIDGE_NODE_PASSWORD: 'p' })).toMatchObject([
      { kind: 'eclair', password: 'p' },
    ]);
    expect(nodes({ BRIDGE_NODE: 'phoenixd', BRIDGE_NODE_URL: 'http://[::1]:9740', BRIDGE_NODE_PASSWORD: 'p' })).toMatchObject([
      { kind: 'phoenixd' },
    ]);
    expect(problems({ ...LND, BRIDGE_NODE_RUNE: RUNE })).toEqual({ BRIDGE_NODE_RUNE: 'is not a setting of the bridge' });
    expect(problems({ BRIDGE_NODE: 'eclair', BRIDGE_NODE_URL: 'http://127.0.0.1:8080' })).toHaveProperty('BRIDGE_NODE_PASSWORD');
    expect(problems({ BRIDGE_NODE_URL: 'http://127.0.0.1:8080' })).toHaveProperty('BRIDGE_NODE_URL');
  });

  test('LND and Eclair need the secret that preimages come from, and it is none of the others', () => {
    const { BRIDGE_PREIMAGE_SECRET: _, ...without } = { ...GENERAL, ...LND };
    const read = readConfig(without);
    expect(!read.ok && read.refusal.map(({ key }) => key)).toEqual(['BRIDGE_PREIMAGE_SECRET']);
    expect(problems({ ...LND, BRIDGE_PREIMAGE_SECRET: GENERAL.BRIDGE_SECRET })).toHaveProperty('BRIDGE_PREIMAGE_SECRET');
    const cln = readConfig({
      BRIDGE_SECRET: GENERAL.BRIDGE_SECRET,
      BRIDGE_NODE: 'cln',
      BRIDGE_NODE_URL: 'https://127.0.0.1:3010',
      BRIDGE_NODE_RUNE: RUNE,
    });
    expect(cln.ok).toBe(true);
  });

  test('plain HTTP is for this machine only, unless the operator says otherwise', () => {
    const remote = { BRIDGE_NODE: 'phoenixd', BRIDGE_NODE_URL: 'http://phoenixd:9740', BRIDGE_NODE_PASSWORD: 'p' };
    expect(problems(remote)).toEqual({ BRIDGE_NODE_URL: expect.stringContaining('https://') as string });
    expect(problems({ ...remote, BRIDGE_NODE_URL: 'http://127.0.0.1.example.com:9740' })).toHaveProperty('BRIDGE_NODE_URL');
    expect(nodes({ ...remote, BRIDGE_NODE_PLAINTEXT: 'allow' })).toHaveLength(1);
    for (const host of ['127.0.0.1', '127.8.8.8', 'localhost', '[::1]'])
      expect(nodes({ ...remote, BRIDGE_NODE_URL: `http://${host}:9740` })).toHaveLength(1);
  });

  test('a certificate is read as PEM, or as DER in base64 or hex, and one pin is enough', () => {
    const der = Buffer.from(CERTIFICATE.der).toString('base64');
    for (const text of [CERTIFICATE.certPem, der, Buffer.from(CERTIFICATE.der).toString('hex')]) {
      const [node] = nodes({ ...LND, BRIDGE_NODE_CERT: text });
      expect(node!.pin!.sha256.map((hash) => Buffer.from(hash).toString('hex'))).toEqual([CERTIFICATE.sha256Hex]);
    }
    expect(problems({ ...LND, BRIDGE_NODE_CERT: 'no certificate' })).toHaveProperty('BRIDGE_NODE_CERT');
    expect(problems({ ...LND, BRIDGE_NODE_CERT_SHA256: 'ab' })).toHaveProperty('BRIDGE_NODE_CERT_SHA256');
    expect(problems({ ...LND, BRIDGE_NODE_CERT: der, BRIDGE_NODE_CERT_SHA256: CERTIFICATE.sha256Hex })).toHaveProperty(
      'BRIDGE_NODE_CERT_SHA256',
    );
  });

  test('everything that is wrong is told at once, by key and without a value', () => {
    const wrong = {
      BRIDGE_NODE: 'lnd',
      BRIDGE_NODE_URL: 'https://user:secret-1@node',
      BRIDGE_NODE_MACAROON: 'secret-2',
      BRIDGE_NODE_PUBKEY: 'secret-3',
      BRIDGE_NODE_SETTLEMENT: 'secret-4',
      BRIDGE_NODE_TIMEOUT_MS: 'secret-5',
      BRIDGE_NODE_TYPO: 'secret-6',
      BRIDGE_NODE3: 'secret-7',
      BRIDGE_NODE4_URL: 'secret-8',
      BRIDGE_STRICT: 'secret-9',
    };
    const told = problems(wrong);
    expect(Object.keys(told).sort()).toEqual(
      Object.keys(wrong)
        .filter((key) => key !== 'BRIDGE_NODE')
        .sort(),
    );
    expect(JSON.stringify(told)).not.toContain('secret-');
  });

  test('several nodes stand in the order of their numbers, each with a name of its own', () => {
    const second = { BRIDGE_NODE2: 'cln', BRIDGE_NODE2_URL: 'https://127.0.0.1:3010', BRIDGE_NODE2_RUNE: RUNE };
    expect(nodes({ ...LND, ...second }).map(({ name }) => name)).toEqual(['lnd', 'cln-2']);
    expect(nodes({ ...LND, ...second, BRIDGE_NODE2_NAME: 'spare' }).map(({ name }) => name)).toEqual(['lnd', 'spare']);
    expect(problems({ ...LND, ...second, BRIDGE_NODE2_NAME: 'lnd' })).toHaveProperty('BRIDGE_NODE2_NAME');
    expect(problems(second)).toHaveProperty('BRIDGE_NODE');
    expect(problems({ ...LND, BRIDGE_NODE2: 'embedded' })).toHaveProperty('BRIDGE_NODE2');
  });
});

describe('a connection string', () => {
  const base64url = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');
  const cert = Buffer.from(CERTIFICATE.der).toString('base64url');

  test('lndconnect gives address, certificate and macaroon', () => {
    const [node] = nodes({
      BRIDGE_NODE: 'lnd',
      BRIDGE_NODE_CONNECT: `lndconnect://10.0.0.2:8080?cert=${cert}&macaroon=${base64url(MACAROON)}`,
    });
    expect(node).toMatchObject({ url: 'https://10.0.0.2:8080', macaroonHex: MACAROON });
    expect(Buffer.from(node!.pin!.sha256[0]!).toString('hex')).toBe(CERTIFICATE.sha256Hex);
  });

  test('lndconnect with the gRPC port needs the REST address beside it', () => {
    const wire = { BRIDGE_NODE: 'lnd', BRIDGE_NODE_CONNECT: `lndconnect://node.example:10009?macaroon=${base64url(MACAROON)}` };
    expect(problems(wire)).toEqual({ BRIDGE_NODE_URL: expect.stringContaining('REST') as string });
    expect(nodes({ ...wire, BRIDGE_NODE_URL: 'https://node.example:8080' })).toMatchObject([
      { url: 'https://node.example:8080', pin: undefined },
    ]);
  });

  test('clnrest gives address, rune and the authority among its certificates, in each of its spellings', () => {
    const authority = makeAuthority();
    const certs = Buffer.from(`${CERTIFICATE.keyPem}${CERTIFICATE.certPem}${authority.certPem}`).toString('base64');
    const [node] = nodes({
      BRIDGE_NODE: 'cln',
      BRIDGE_NODE_CONNECT: `clnrest+https://cln.local:3010?rune=${RUNE}&certs=${encodeURIComponent(certs)}`,
    });
    expect(node).toMatchObject({ url: 'https://cln.local:3010', rune: RUNE });
    expect(node!.pin!.authorities).toHaveLength(1);
    expect(Buffer.from(node!.pin!.sha256[0]!).toString('hex')).toBe(authority.sha256Hex);
    for (const start of ['clnrest://h:1', 'clnrest://https://h:1', 'clnrest+https://h:1']) {
      expect(readClnrest(`${start}?rune=r&certs=${certs}`)).toMatchObject({ ok: true, value: { URL: 'https://h:1', RUNE: 'r' } });
    }
    for (const start of ['clnrest+http://h:1', 'clnrest://http://h:1'])
      expect(readClnrest(`${start}?rune=r`)).toEqual({ ok: true, value: { URL: 'http://h:1', RUNE: 'r' } });
  });

  test('that is something else is refused without a word of it', () => {
    for (const text of [
      '',
      'https://x',
      'lndconnect://',
      'lndconnect://h:1',
      'lndconnect://h:1?macaroon=%%%',
      'lndconnect://u@h:1?macaroon=AgED',
      `lndconnect://h:1?macaroon=AgED&cert=!`,
    ]) {
      expect(readLndConnect(text).ok).toBe(false);
    }
    for (const text of [
      '',
      'clnrest://',
      'clnrest://h:1',
      'clnrest://h:1?rune=',
      'clnrest://h:1?rune=r&certs=AAAA',
      'lndconnect://h:1?rune=r',
    ]) {
      expect(readClnrest(text).ok).toBe(false);
    }
    const told = problems({ BRIDGE_NODE: 'lnd', BRIDGE_NODE_CONNECT: 'lndconnect://h:1?macaroon=secret!' });
    expect(told).toHaveProperty('BRIDGE_NODE_CONNECT');
    expect(JSON.stringify(told)).not.toContain('secret!');
    expect(
      problems({ BRIDGE_NODE: 'eclair', BRIDGE_NODE_URL: 'http://127.0.0.1:1', BRIDGE_NODE_PASSWORD: 'p', BRIDGE_NODE_CONNECT: 'x' }),
    ).toHaveProperty('BRIDGE_NODE_CONNECT');
  });
});
