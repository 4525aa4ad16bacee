/*
 * Opens the bridge's port on a real node from its settings. Effects: none yet; the adapter connects at the first request.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Network } from '#protocol/invoice.ts';
import { type Clock, type LightningNode } from '../ports.ts';
import { createClnNode } from './cln.ts';
import { createEclairNode } from './eclair.ts';
import { createLndNode } from './lnd.ts';
import { type NodeOptions, type Wait } from './node-answers.ts';
import { createNodeClient } from './node-http.ts';
import { createPhoenixdNode } from './phoenixd.ts';
import { type TlsPin } from './tls-pin.ts';

interface CommonSettings {
  /** Unique among the nodes of a bridge; used in log, metrics and health. */
  readonly name: string;
  /** Without a trailing slash. */
  readonly url: string;
  readonly pin: TlsPin | undefined;
  readonly statedKeyHex: string | undefined;
  readonly settlement: LightningNode['settlement'];
  readonly timeoutMs: number;
  /** Concurrent calls, and connections. */
  readonly concurrency: number;
}

/** One real node, as the settings describe it. */
export type NodeSettings = CommonSettings &
  (
    | { readonly kind: 'lnd'; readonly macaroonHex: string; readonly privateHints: boolean; readonly preimageSecret: Uint8Array }
    | { readonly kind: 'cln'; readonly rune: string; readonly privateHints: boolean }
    | { readonly kind: 'eclair'; readonly password: string; readonly preimageSecret: Uint8Array }
    | { readonly kind: 'phoenixd'; readonly password: string }
  );

/** Waits with the system's timer. */
export const systemWait: Wait = async (ms, signal) => {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
};

/** Opens the port on this node. */
export function openNode(
  settings: NodeSettings,
  { network, clock, wait = systemWait, hasFeed = false }: { network: Network; clock: Clock; wait?: Wait; hasFeed?: boolean },
): LightningNode {
  const { name, url, pin, timeoutMs, concurrency, statedKeyHex, settlement } = settings;
  const client = createNodeClient({ url, pin, timeoutMs, maxConnections: concurrency });
  const common: NodeOptions = { name, client, network, settlement, statedKeyHex, clock, wait, hasFeed };
  switch (settings.kind) {
    case 'lnd':
      return createLndNode({ ...common, ...settings });
    case 'cln':
      return createClnNode({ ...common, ...settings });
    case 'eclair':
      return createEclairNode({ ...common, ...settings });
    case 'phoenixd':
      return createPhoenixdNode({ ...common, ...settings });
  }
}
