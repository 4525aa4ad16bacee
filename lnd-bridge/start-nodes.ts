/*
 * The bridge with real nodes: opens them, inspects each, and starts unless the first has a problem that time does not fix. A
 * standby with such a problem is held back until it is healthy. Effects: connects to the nodes, opens a port; uses the
 * system's clock and randomness by default.
 */
import { randomBytes } from 'node:crypto';
import { formatHex } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { createCheckedNode } from './checked-node.ts';
import { type BridgeConfig } from './config.ts';
import { holdBack, type HeldNodeOptions } from './held-node.ts';
import { type Inspection, inspectNode, pickFatal, probeMint } from './inspection.ts';
import { type NodeEntry } from './pool-member.ts';
import { openNode } from './nodes/open-node.ts';
import { type Clock, type Log } from './ports.ts';
import { type BridgeKey } from './request-auth.ts';
import { createBridge } from './server.ts';
import { formatUrl, SYSTEM_CLOCK, SYSTEM_RANDOM } from './start.ts';

export interface RunningNodeBridge {
  readonly url: string;
  /** The state of each node at the start. */
  readonly inspections: readonly Inspection[];
  /** Changes the keys shared with the gateway, without a restart. */
  setKeys(keys: readonly BridgeKey[]): void;
  /** Finishes requests in flight and frees port and connections. */
  close(): Promise<void>;
}

export interface StartNodesOptions {
  readonly log: Log;
  readonly clock?: Clock;
  /** Calls the work repeatedly; returns a function that stops it. */
  readonly every?: HeldNodeOptions['every'];
}

/** Starts the bridge, or returns the inspections that prevent it. Throws if the port is not available. */
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
  // A standby must not keep a working node from selling.
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

/** Inspects every node and mints one invoice at each without a problem; does not listen. */
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
