/*
 * Every backend behind the same face, for the contract suite: the adapter, the test node it talks to, and the secrets
 * that must never come out. The embedded node is one of them.
 */
import { expect, onTestFinished } from 'vitest';
import { type CheckedNode, createCheckedNode } from '#lnd-bridge/checked-node.ts';
import { type NodeSettings, openNode } from '#lnd-bridge/nodes/open-node.ts';
import { readCertificates, readFingerprint } from '#lnd-bridge/nodes/tls-pin.ts';
import { type InvoiceOrder, type LightningNode, type LogEntry, type MintedInvoice } from '#lnd-bridge/ports.ts';
import { msat } from '#protocol/msat.ts';
import { issueCertificate, makeAuthority, makeCertificate } from '#support/nodes/certificate.ts';
import { GATEWAY_METHODS, makeRune, startClnServer } from '#support/nodes/cln-server.ts';
import { startEclairServer } from '#support/nodes/eclair-server.ts';
import { GATEWAY_PERMISSIONS, makeLndMacaroon, startLndServer } from '#support/nodes/lnd-server.ts';
import { createTestLedger, type TestLedger, type TestNode } from '#support/nodes/node-ledger.ts';
import { startPhoenixdServer } from '#support/nodes/phoenixd-server.ts';
import { createTestClock, createTestNode, nextNonceHex, type TestClock } from './bridge-harness.ts';

export interface Backend {
  readonly node: LightningNode;
  /** The adapter anew, as after a restart of the bridge, with changed settings if any. */
  reopen(changes?: Partial<NodeSettings>): LightningNode;
  readonly server: TestNode;
  readonly ledger: TestLedger;
  readonly clock: TestClock;
  readonly settings: NodeSettings;
  readonly secrets: readonly string[];
}

const COMMON = { statedKeyHex: undefined, settlement: 'preimage', timeoutMs: 5000, concurrency: 4 } as const;
const PREIMAGE_SECRET = new Uint8Array(32).fill(0x5e);
const PASSWORD = 'password-of-the-node';

type Part = Pick<Backend, 'server' | 'settings' | 'secrets'>;

const STARTERS: Record<NodeSettings['kind'], (ledger: TestLedger) => Promise<Part>> = {
  async lnd(ledger) {
    const certificate = makeCertificate();
    const macaroonHex = makeLndMacaroon(GATEWAY_PERMISSIONS);
    const server = await startLndServer(ledger, { macaroonHex, certificate });
    const pin = readFingerprint(certificate.sha256Hex);
    const kept = { macaroonHex, preimageSecret: PREIMAGE_SECRET, privateHints: false };
    return { server, secrets: [macaroonHex], settings: { ...COMMON, ...kept, kind: 'lnd', name: 'lnd', url: server.url, pin } };
  },
  async cln(ledger) {
    const authority = makeAuthority();
    const rune = makeRune([GATEWAY_METHODS]);
    const server = await startClnServer(ledger, { rune, certificate: issueCertificate(authority) });
    const pin = readCertificates(authority.certPem);
    return { server, secrets: [rune], settings: { ...COMMON, kind: 'cln', name: 'cln', url: server.url, pin, rune, privateHints: false } };
  },
  async eclair(ledger) {
    const server = await startEclairServer(ledger, { password: PASSWORD });
    const kept = { password: PASSWORD, preimageSecret: PREIMAGE_SECRET, pin: undefined };
    return { server, secrets: [PASSWORD], settings: { ...COMMON, ...kept, kind: 'eclair', name: 'eclair', url: server.url } };
  },
  async phoenixd(ledger) {
    const server = await startPhoenixdServer(ledger, { limitedPassword: PASSWORD, fullPassword: `full-${PASSWORD}` });
    const kept = { password: PASSWORD, pin: undefined };
    return { server, secrets: [PASSWORD], settings: { ...COMMON, ...kept, kind: 'phoenixd', name: 'phoenixd', url: server.url } };
  },
};

export const BACKENDS = Object.keys(STARTERS) as readonly NodeSettings['kind'][];

/** A node of this kind and the adapter on it; both end with the test. */
export async function startBackend(kind: NodeSettings['kind'], changes: Partial<NodeSettings> = {}): Promise<Backend> {
  const clock = createTestClock();
  const ledger = createTestLedger(clock);
  const { server, settings, secrets } = await STARTERS[kind](ledger);
  onTestFinished(() => server.close());
  const open = (more: Partial<NodeSettings> = {}): LightningNode => {
    // Polling adapters ask again at once: the test decides when something has changed.
    const wait = async (_ms: number, signal: AbortSignal): Promise<void> => {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    };
    const node = openNode({ ...settings, ...changes, ...more } as NodeSettings, { network: 'regtest', clock, wait });
    onTestFinished(() => node.close());
    return node;
  };
  return { node: open(), reopen: open, server, ledger, clock, settings, secrets };
}

/** What the port itself must hold is asked of the embedded node too. */
export interface PortBackend {
  readonly node: LightningNode;
  readonly clock: TestClock;
  settle(minted: MintedInvoice): void;
}

/** A node of any kind, seen through its port only. */
export async function startPortBackend(kind: NodeSettings['kind'] | 'embedded'): Promise<PortBackend> {
  if (kind !== 'embedded') {
    const { node, clock, ledger } = await startBackend(kind);
    return { node, clock, settle: ({ paymentHashHex }) => ledger.settle(paymentHashHex) };
  }
  const clock = createTestClock();
  const node = createTestNode(clock);
  return { node, clock, settle: ({ invoice }) => expect(node.pay(invoice).ok).toBe(true) };
}

/** An order as the gateway makes one. */
export function order(changes: Partial<InvoiceOrder> = {}): InvoiceOrder {
  return { amountMsat: msat(10_000n), memo: 'weather in Zürich', expirySeconds: 600, idempotencyKey: nextNonceHex(), ...changes };
}

/** The node behind the bridge's own checks; a fault in the log fails the test. */
export function check({ clock, node }: Pick<Backend, 'clock' | 'node'>): CheckedNode {
  const log = (entry: LogEntry): void => expect(entry).toBe('no fault is expected');
  return createCheckedNode(node, { network: 'regtest', maxSkewSeconds: 60, clock, log });
}

/** An invoice, or the end of the test. */
export async function mint(node: Pick<LightningNode, 'mint'>, changes: Partial<InvoiceOrder> = {}): Promise<MintedInvoice> {
  const minted = await node.mint(order(changes));
  if (!minted.ok) throw new Error(`${minted.refusal.code}: ${minted.refusal.detail}`);
  return minted.value;
}

/** The refusal of a node that cannot be used now, for this reason. */
export function down(fault: string): object {
  return { ok: false, refusal: { code: 'node_unavailable', fault } };
}
