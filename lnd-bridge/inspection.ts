/*
 * Inspection of a node: its problems, in words for the operator, and whether the bridge may start with it. Effects: asks the
 * node.
 */
import { type CheckedNode } from './checked-node.ts';
import { type LightningNode, type NodeFinding } from './ports.ts';
import { msat } from '#protocol/msat.ts';

/** Problems that time does not fix: the bridge does not start. An unreachable or locked node may recover, so it starts. */
const FATAL = new Set<NodeFinding['code']>([
  'tls_untrusted',
  'credential_refused',
  'permission_missing',
  'credential_too_weak',
  'network_wrong',
  'identity_wrong',
]);

const HINTS: Partial<Record<NodeFinding['code'], string>> = {
  unreachable: 'Is it running, and is the URL that of its REST interface?',
  timeout: 'Is it overloaded, or does a firewall swallow the connection?',
  tls_untrusted: 'Pin its certificate with BRIDGE_NODE_CERT_FILE or BRIDGE_NODE_CERT_SHA256.',
  wallet_locked: 'Unlock it (lncli unlock), or set wallet-unlock-password-file.',
  starting: 'Wait until it is up.',
  syncing: 'Wait until it is in sync.',
  no_inbound: 'Open a channel towards it, or spend from it, so that others can pay.',
  credential_refused: 'Is it of this node, and has it expired?',
  permission_missing: 'See docs/bridge.md for the exact permissions.',
  credential_too_weak: 'See docs/bridge.md for the exact permissions.',
  credential_too_strong: 'See docs/bridge.md for one that can only take payments.',
  network_wrong: 'BRIDGE_NETWORK and the node must name the same network.',
  identity_wrong: 'Is BRIDGE_NODE_PUBKEY right, and is this the node you mean?',
};

/** The state of one node. */
export interface Inspection {
  readonly name: string;
  readonly backend: string;
  readonly findings: readonly NodeFinding[];
}

/** Inspects a node. With `strict`, a credential that could spend is a problem instead of a warning. */
export async function inspectNode(
  { name, node }: { readonly name: string; readonly node: LightningNode },
  { strict }: { strict: boolean },
): Promise<Inspection> {
  const findings = await node.inspect();
  const judged = strict ? findings.map(makeStrict) : findings;
  return { name, backend: node.kind, findings: judged };
}

/** Tests a node end to end: an invoice over one satoshi that ends after a minute. */
export async function probeMint(checked: CheckedNode, idempotencyKey: string): Promise<readonly NodeFinding[]> {
  const minted = await checked.mint({ amountMsat: msat(1000n), memo: 'l402-edge check', expirySeconds: 60, idempotencyKey });
  if (minted.ok) return [];
  return [{ severity: 'problem', code: minted.refusal.fault ?? 'mint_failed', detail: `no invoice: ${minted.refusal.detail}` }];
}

/** Returns the findings that prevent a start. */
export function pickFatal({ findings }: Inspection, { strict }: { strict: boolean }): readonly NodeFinding[] {
  return findings.filter(
    ({ severity, code }) => severity === 'problem' && (FATAL.has(code) || (strict && code === 'credential_too_strong')),
  );
}

/** Formats a line per finding, or one line if all is well. */
export function formatInspection({ name, backend, findings }: Inspection): readonly string[] {
  if (findings.length === 0) return [`${name} (${backend}): ok`];
  return findings.map(({ severity, code, detail }) => {
    const hint = severity === 'note' ? undefined : HINTS[code];
    return `${name} (${backend}): ${severity}: ${detail}${hint === undefined ? '' : `. ${hint}`}`;
  });
}

function makeStrict(finding: NodeFinding): NodeFinding {
  return finding.code === 'credential_too_strong' ? { severity: 'problem', code: finding.code, detail: finding.detail } : finding;
}
