/*
 * Starting before real nodes and `npm run bridge -- check`: what is wrong is said in words, and the exit code is true.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type BridgeConfig, readConfig, SETTINGS } from '#lnd-bridge/config.ts';
import { formatInspection, type Inspection } from '#lnd-bridge/inspection.ts';
import { NODE_SETTINGS } from '#lnd-bridge/node-config.ts';
import { type LogEntry } from '#lnd-bridge/ports.ts';
import { readSettings } from '#lnd-bridge/settings-files.ts';
import { formatHelp, NODE_SETTINGS_HELP, SETTINGS_HELP } from '#lnd-bridge/settings-help.ts';
import { checkNodes, startNodeBridge, type StartNodesOptions } from '#lnd-bridge/start-nodes.ts';
import { makeCertificate, type TestCertificate } from '#support/nodes/certificate.ts';
import { FEED_PERMISSIONS, GATEWAY_PERMISSIONS, makeLndMacaroon, startLndServer } from '#support/nodes/lnd-server.ts';
import { createTestLedger, FOREIGN_SECRET, type TestLedger, type TestNode } from '#support/nodes/node-ledger.ts';
import { anOrder, callBridge, KEY } from './bridge-harness.ts';
import { spawnBridge } from './bridge-process.ts';

const SYSTEM_CLOCK = { nowSeconds: () => Math.floor(Date.now() / 1000) };
const SECRETS = { BRIDGE_SECRET: Buffer.from(KEY.secret).toString('hex'), BRIDGE_PREIMAGE_SECRET: '5e'.repeat(32) };

interface Lnd {
  readonly ledger: TestLedger;
  readonly server: TestNode;
  readonly certificate: TestCertificate;
  readonly settings: Record<string, string>;
}

async function startLnd(permissions: readonly string[] = GATEWAY_PERMISSIONS): Promise<Lnd> {
  const ledger = createTestLedger(SYSTEM_CLOCK);
  const certificate = makeCertificate();
  const macaroonHex = makeLndMacaroon(permissions);
  const server = await startLndServer(ledger, { macaroonHex, certificate });
  onTestFinished(() => server.close());
  const settings = {
    ...SECRETS,
    BRIDGE_PORT: '0',
    BRIDGE_NODE: 'lnd',
    BRIDGE_NODE_URL: server.url,
    BRIDGE_NODE_MACAROON: macaroonHex,
    BRIDGE_NODE_CERT_SHA256: certificate.sha256Hex,
    BRIDGE_NODE_TIMEOUT_MS: '1000',
  };
  return { ledger, server, certificate, settings };
}

function config(settings: Record<string, string>): BridgeConfig {
  const read = readConfig(settings);
  if (!read.ok) throw new Error(read.refusal.map(({ key, reason }) => `${key} ${reason}`).join('; '));
  return read.value;
}

async function check(settings: Record<string, string>): Promise<{ text: string; codes: readonly string[] }> {
  const inspections = await checkNodes(config(settings), { log: () => undefined });
  const text = inspections.flatMap((inspection: Inspection) => formatInspection(inspection)).join('\n');
  return { text, codes: inspections.flatMap(({ findings }) => findings.map(({ code }) => code)) };
}

async function start(
  settings: Record<string, string>,
  every: StartNodesOptions['every'] = () => () => undefined,
): Promise<{ started: Awaited<ReturnType<typeof startNodeBridge>>; logged: LogEntry[] }> {
  const logged: LogEntry[] = [];
  const started = await startNodeBridge(config(settings), { log: (entry) => logged.push(entry), every });
  if (started.ok) onTestFinished(() => started.value.close());
  return { started, logged };
}

/** The settings of a node as those of the second one. */
function asStandby(settings: Record<string, string>): Record<string, string> {
  const moved = Object.entries(settings).filter(([key]) => key.startsWith('BRIDGE_NODE_'));
  return { BRIDGE_NODE2: 'lnd', ...Object.fromEntries(moved.map(([key, value]) => [key.replace('NODE_', 'NODE2_'), value])) };
}

describe('check', () => {
  test('of a sound node mints an invoice over one satoshi and finds nothing', async () => {
    const { settings, ledger } = await startLnd();
    expect(await check(settings)).toEqual({ text: 'lnd (lnd): ok', codes: [] });
    expect(ledger.invoices).toMatchObject([{ amountMsat: 1000n, expirySeconds: 60 }]);
  });

  test('says in words what is wrong with a node', async () => {
    const { settings, ledger, server } = await startLnd();
    const { troubles } = ledger;
    const cases: readonly [keyof typeof troubles, unknown, string, string][] = [
      ['locked', true, 'wallet_locked', 'the wallet of the node is locked'],
      ['syncing', true, 'syncing', 'still catching up'],
      ['noInbound', true, 'no_inbound', 'no inbound liquidity'],
      ['network', 'mainnet', 'network_wrong', 'not on regtest'],
      ['refuseCredential', true, 'credential_refused', 'refuses the macaroon'],
      ['silent', true, 'timeout', 'does not answer in time'],
      ['signer', FOREIGN_SECRET, 'answer_malformed', 'signed by another node'],
    ];
    for (const [trouble, value, code, words] of cases) {
      Object.assign(troubles, { [trouble]: value });
      const said = await check(settings);
      expect(said.codes).toEqual([code]);
      expect(said.text).toContain('problem');
      expect(said.text).toContain(words);
      Object.assign(troubles, { [trouble]: undefined });
    }
    expect((await check({ ...settings, BRIDGE_NODE_CERT_SHA256: 'ab'.repeat(32) })).codes).toEqual(['tls_untrusted']);
    await server.close();
    expect(await check(settings)).toMatchObject({ codes: ['unreachable'], text: expect.stringContaining('cannot be reached') as string });
  });

  test('P23: a macaroon that may not follow payments is too weak for a feed, and the one that the docs name for it is not too strong', async () => {
    const feed = { BRIDGE_GATEWAY_URL: 'http://127.0.0.1:1' };
    const weak = await startLnd();
    expect(await check({ ...weak.settings, ...feed })).toMatchObject({
      codes: ['credential_too_weak'],
      text: expect.stringContaining('lacks: SubscribeInvoices') as string,
    });
    const enough = await startLnd(FEED_PERMISSIONS);
    expect((await check({ ...enough.settings, ...feed })).codes).toEqual([]);
  });

  test('P23 names a macaroon that is too weak or too strong', async () => {
    const weak = await startLnd(GATEWAY_PERMISSIONS.filter((permission) => !permission.includes('AddInvoice')));
    expect(await check(weak.settings)).toMatchObject({
      codes: ['credential_too_weak'],
      text: expect.stringContaining('lacks: AddInvoice') as string,
    });
    const strong = await startLnd([...GATEWAY_PERMISSIONS, 'offchain:write']);
    const said = await check(strong.settings);
    expect(said.codes).toEqual(['credential_too_strong']);
    expect(said.text).toMatch(/^lnd \(lnd\): warning: .*offchain:write/);
    expect((await check({ ...strong.settings, BRIDGE_STRICT: 'true' })).text).toMatch(/^lnd \(lnd\): problem: /);
  });

  test('as a process ends with 0, 1 or 2, and shows no secret', async () => {
    const { settings, ledger } = await startLnd();
    const sound = await spawnBridge(settings, ['check']).ended;
    expect([sound.code, sound.stderr.trim()]).toEqual([0, 'lnd (lnd): ok']);
    ledger.troubles.locked = true;
    const locked = await spawnBridge(settings, ['check']).ended;
    expect([locked.code, locked.stderr]).toEqual([1, expect.stringContaining('lncli unlock')]);
    const misused = await spawnBridge({ ...settings, BRIDGE_NODE_RUNE: 'x' }, ['check']).ended;
    expect([misused.code, misused.stderr]).toEqual([2, expect.stringContaining('BRIDGE_NODE_RUNE')]);
    for (const { stdout, stderr } of [sound, locked, misused]) {
      for (const name of ['BRIDGE_SECRET', 'BRIDGE_PREIMAGE_SECRET', 'BRIDGE_NODE_MACAROON'])
        expect(stdout + stderr).not.toContain(settings[name]);
    }
  });
});

describe('starting before real nodes', () => {
  test('as a process mints through LND, and ends with 0 on SIGTERM', async () => {
    const { settings, ledger } = await startLnd();
    const child = spawnBridge(settings);
    const line = await child.line('bridge http://');
    const [, url] = /bridge (\S+) network regtest nodes lnd/.exec(line) ?? [];
    const minted = await callBridge(url!, { nowSeconds: SYSTEM_CLOCK.nowSeconds(), body: anOrder() });
    expect(minted).toMatchObject({ status: 200, isSigned: true, body: { paymentHashHex: ledger.invoices[0]?.paymentHashHex } });
    child.stop();
    const { code, stdout, stderr } = await child.ended;
    expect(code).toBe(0);
    for (const secret of [settings['BRIDGE_NODE_MACAROON']!, ledger.invoices[0]!.preimageHex])
      expect(stdout + stderr).not.toContain(secret);
  });

  test('is refused when the certificate is neither pinned nor vouched for, and no macaroon is sent', async () => {
    const { settings, server } = await startLnd();
    const { BRIDGE_NODE_CERT_SHA256: _, ...unpinned } = settings;
    expect((await start(unpinned)).started).toMatchObject({ ok: false, refusal: [{ findings: [{ code: 'tls_untrusted' }] }] });
    expect(server.calls).toEqual([]);
    const child = await spawnBridge(unpinned).ended;
    expect([child.code, child.stderr]).toEqual([1, expect.stringContaining('BRIDGE_NODE_CERT_SHA256')]);
  });

  test('D33 is refused before a node of another network', async () => {
    const { settings, ledger } = await startLnd();
    ledger.troubles.network = 'mainnet';
    expect((await start(settings)).started.ok).toBe(false);
  });

  test('P23 with a macaroon that can spend warns loudly, and is refused when strict', async () => {
    const { settings } = await startLnd([...GATEWAY_PERMISSIONS, 'offchain:write']);
    const child = spawnBridge(settings);
    expect(await child.line('***')).toContain('CAN SPEND');
    child.stop();
    const { started, logged } = await start({ ...settings, BRIDGE_STRICT: 'true' });
    expect(started.ok).toBe(false);
    expect(logged).toMatchObject([{ event: 'node_finding', severity: 'problem', code: 'credential_too_strong' }]);
  });

  test('goes on before a locked wallet or a node that is away, since both may come back', async () => {
    const { settings, ledger } = await startLnd();
    ledger.troubles.locked = true;
    const { started } = await start(settings);
    const url = started.ok ? started.value.url : '';
    const call = () => callBridge(url, { nowSeconds: SYSTEM_CLOCK.nowSeconds(), body: anOrder() });
    expect(await call()).toMatchObject({ status: 503, body: { code: 'node_unavailable' } });
    ledger.troubles.locked = undefined;
    expect(await call()).toMatchObject({ status: 200 });
  });

  test('starts though a standby has trouble that stays, asks that one for nothing, and takes it on when it is well', async () => {
    const [first, second] = [await startLnd(), await startLnd()];
    const works: (() => void)[] = [];
    const every = (_ms: number, work: () => void) => (works.push(work), () => undefined);
    second.ledger.troubles.refuseCredential = true;
    const { started, logged } = await start({ ...first.settings, ...asStandby(second.settings) }, every);
    expect(logged.filter(({ event }) => event === 'node_held_back')).toMatchObject([{ node: 'lnd-2' }]);
    const url = started.ok ? started.value.url : '';
    const states = async () =>
      ((await (await fetch(`${url}/healthz`)).json()) as { nodes: { status: string }[] }).nodes.map(({ status }) => status);
    expect(await states()).toEqual(['ok', 'node_unavailable']);
    const call = () => callBridge(url, { nowSeconds: SYSTEM_CLOCK.nowSeconds(), body: anOrder() });
    await first.server.close();
    expect((await call()).status).toBe(503);
    expect(second.ledger.invoices).toEqual([]);
    second.ledger.troubles.refuseCredential = undefined;
    works[0]!();
    while ((await states())[1] !== 'ok') await new Promise((resolve) => void setImmediate(resolve));
    expect((await call()).status).toBe(200);
  });

  test('does not start when the first node has trouble that stays', async () => {
    const [first, second] = [await startLnd(), await startLnd()];
    first.ledger.troubles.refuseCredential = true;
    expect((await start({ ...first.settings, ...asStandby(second.settings) })).started.ok).toBe(false);
  });

  test('M23 takes over at the second node while the first is away', async () => {
    const [first, second] = [await startLnd(), await startLnd()];
    const { started } = await start({ ...first.settings, ...asStandby(second.settings) });
    const url = started.ok ? started.value.url : '';
    await first.server.close();
    const minted = await callBridge(url, { nowSeconds: SYSTEM_CLOCK.nowSeconds(), body: anOrder() });
    expect(minted).toMatchObject({ status: 200, body: { paymentHashHex: second.ledger.invoices[0]?.paymentHashHex } });
    const health = (await (await fetch(`${url}/healthz`)).json()) as { nodes: unknown };
    expect(health.nodes).toMatchObject([
      { name: 'lnd', status: 'node_unavailable' },
      { name: 'lnd-2', status: 'ok' },
    ]);
  });
});

describe('settings from files', () => {
  function folder(files: Record<string, string | Uint8Array>): string {
    const path = mkdtempSync(join(tmpdir(), 'l402-bridge-'));
    onTestFinished(() => rmSync(path, { recursive: true }));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
    return path;
  }

  test('are the same settings under the same names; the environment wins', () => {
    const path = folder({ 'bridge.json': JSON.stringify({ BRIDGE_PORT: 9000, BRIDGE_STRICT: true, BRIDGE_HOST: '::1' }) });
    const settings = readSettings({ BRIDGE_HOST: '127.0.0.1', HOME: '/x' }, { configPath: join(path, 'bridge.json') });
    expect(settings).toEqual({ ok: true, value: { BRIDGE_PORT: '9000', BRIDGE_STRICT: 'true', BRIDGE_HOST: '127.0.0.1' } });
  });

  test('a secret, a macaroon as bytes and a certificate come from files of their own', () => {
    const macaroon = makeLndMacaroon(GATEWAY_PERMISSIONS);
    const certificate = makeCertificate();
    const path = folder({
      secret: `${'c3'.repeat(32)}\n`,
      macaroon: Buffer.from(macaroon, 'hex'),
      cert: certificate.certPem,
      der: certificate.der,
    });
    for (const cert of ['cert', 'der']) {
      const settings = readSettings(
        {
          ...SECRETS,
          BRIDGE_SECRET: undefined,
          BRIDGE_SECRET_FILE: join(path, 'secret'),
          BRIDGE_NODE: 'lnd',
          BRIDGE_NODE_URL: 'https://127.0.0.1:8080',
          BRIDGE_NODE_MACAROON_FILE: join(path, 'macaroon'),
          BRIDGE_NODE_CERT_FILE: join(path, cert),
        },
        { configPath: undefined },
      );
      const read = settings.ok ? readConfig(settings.value) : settings;
      expect(read).toMatchObject({ ok: true, value: { nodes: [{ macaroonHex: macaroon }] } });
      expect(read.ok && Buffer.from(read.value.nodes[0]!.pin!.sha256[0]!).toString('hex')).toBe(certificate.sha256Hex);
    }
  });

  test('that cannot be read, stand twice or hold something else are refused by name', () => {
    const path = folder({ secret: 'c3'.repeat(32), list: '[]', nested: '{"BRIDGE_PORT":{}}', foreign: '{"PORT":1}' });
    const keys = (environment: Record<string, string>, file?: string): readonly string[] => {
      const settings = readSettings(environment, { configPath: file === undefined ? undefined : join(path, file) });
      return settings.ok ? [] : settings.refusal.map(({ key }) => key);
    };
    expect(keys({ BRIDGE_SECRET_FILE: join(path, 'none') })).toEqual(['BRIDGE_SECRET_FILE']);
    expect(keys({ BRIDGE_SECRET_FILE: join(path, 'secret'), BRIDGE_SECRET: 'x' })).toEqual(['BRIDGE_SECRET_FILE']);
    for (const file of ['none', 'list', 'secret']) expect(keys({}, file)).toEqual(['--config']);
    expect(keys({}, 'nested')).toEqual(['BRIDGE_PORT']);
    expect(keys({}, 'foreign')).toEqual(['PORT']);
  });
});

describe('the help', () => {
  test('names every setting there is and no other', () => {
    expect(SETTINGS_HELP.map(([name]) => name).sort()).toEqual(Object.keys(SETTINGS.shape).sort());
    const perNode = new Set(Object.values(NODE_SETTINGS).flatMap((schema) => Object.keys(schema.shape)));
    expect(NODE_SETTINGS_HELP.map(([name]) => name).sort()).toEqual([...perNode, 'CONNECT'].sort());
  });

  test('is what --help prints, and a wrong command ends with 2 and the help', async () => {
    const { code, stdout } = await spawnBridge({}, ['--help']).ended;
    expect([code, stdout.trim()]).toEqual([0, formatHelp()]);
    for (const argv of [['sell'], ['check', 'twice'], ['--loud']]) {
      const wrong = await spawnBridge({}, argv).ended;
      expect(wrong.code).toBe(2);
      expect(wrong.stderr).toContain('Usage:');
    }
  });
});
