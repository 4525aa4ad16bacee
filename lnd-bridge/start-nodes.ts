/*
 * The bridge before real nodes: opens them, looks each over, and starts only when the first has no trouble that time does not
 * heal. A standby with such trouble is held back until it is well.
 * Effects: connects to the nodes, opens a port; takes the system's clock and randomness unless given others.
 */
import { randomBytes } from 'node:crypto';
import { formatHex } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { createCheckedNode } from './checked-node.ts';
import { type BridgeConfig } from './config.ts';
import { holdBack, type HeldNodeOptions } from './held-node.ts';
import { type Inspection, inspectNode, pickFatal, probeMint } from './inspection.ts';
import { type NodeEntry } from './node-pool.ts';
import { openNode } from './nodes/open-node.ts';
import { type Clock, type Log } from './ports.ts';
import { type BridgeKey } from './request-auth.ts';
import { createBridge } from './server.ts';
import { formatUrl, SYSTEM_CLOCK, SYSTEM_RANDOM } from './start.ts';

export interface RunningNodeBridge {
  readonly url: string;
  /** How each node stood at the start. */
  readonly inspections: readonly Inspection[];
  /** Changes the keys shared with the gateway, without a restart. */
  setKeys(keys: readonly BridgeKey[]): void;
  /** Finishes what is in flight and frees port and connections. */
  close(): Promise<void>;
}

export interface StartNodesOptions {
  readonly log: Log;
  readonly clock?: Clock;
  /** Calls the work again and again; what it returns ends that. */
  readonly every?: HeldNodeOptions['every'];
}

/** Starts the bridge, or says which nodes it must not start before. Throws when the port cannot be had. */
export async function startNodeBridge(
  config: BridgeConfig,
  { log, clock = SYSTEM_CLOCK, every = everySystem }: StartNodesOptions,
): Promise<Result<RunningNodeBridge, readonly Inspection[]>> {
  const opened = openNodes(config, clock);
  const inspections = await Promise.all(opened.map((entry) => inspectNode(entry, config)));
  for (const { name, findings } of inspections) {
    for (const { severity, code, detail } of findings) log({ event: 'node_finding', node: name, severity, code, detail });
  }
  const isFatal = (inspection: Inspection) => pickFatal(inspection, config).length > 0;
  const [first] = inspections;
  if (first === undefined || isFatal(first)) {
    for (const { node } of opened) node.close();
    return refuse(inspections);
  }
  // A standby must not keep the node from selling that works.
  const nodes = opened.map((entry, index): NodeEntry => {
    if (!isFatal(inspections[index]!)) return entry;
    log({ event: 'node_held_back', node: entry.name, detail: 'it is looked over once a minute, and joins when it is well' });
    const isFit = () =>
      inspectNode(entry, config).then(
        (inspection) => !isFatal(inspection),
        () => false,
      );
    return { name: entry.name, concurrency: entry.concurrency, node: holdBack(entry.node, { isFit, every }) };
  });
  const closeNodes = (): void => nodes.forEach(({ node }) => node.close());
  const bridge = createBridge(config, { nodes, log, clock, random: SYSTEM_RANDOM });
  const { port } = await bridge.listen().catch((error: unknown) => {
    closeNodes();
    throw error;
  });
  return accept({
    url: formatUrl(config.host, port),
    inspections,
    setKeys: bridge.setKeys,
    async close() {
      await bridge.close();
      closeNodes();
    },
  });
}

/** Looks every node over and mints one invoice at each that has no problem; nothing listens. */
export async function checkNodes(config: BridgeConfig, { log, clock = SYSTEM_CLOCK }: StartNodesOptions): Promise<readonly Inspection[]> {
  const nodes = openNodes(config, clock);
  const inspections = await Promise.all(
    nodes.map(async (entry) => {
      const inspection = await inspectNode(entry, config);
      if (inspection.findings.some(({ severity }) => severity === 'problem')) return inspection;
      const probed = await probeMint(createCheckedNode(entry.node, { ...config, clock, log }), formatHex(new Uint8Array(randomBytes(16))));
      return { name: inspection.name, backend: inspection.backend, findings: [...inspection.findings, ...probed] };
    }),
  );
  for (const { node } of nodes) node.close();
  return inspections;
}

function openNodes(config: BridgeConfig, clock: Clock): readonly NodeEntry[] {
  return config.nodes.map((settings) => {
    const node = openNode(settings, { network: config.network, clock, hasFeed: config.gatewayUrl !== undefined });
    return { name: settings.name, node, concurrency: settings.concurrency };
  });
}

const everySystem: HeldNodeOptions['every'] = (ms, work) => {
  const timer = setInterval(work, ms);
  timer.unref();
  return () => clearInterval(timer);
};
