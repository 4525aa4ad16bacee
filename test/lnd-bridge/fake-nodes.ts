/*
 * Nodes behind a bridge that do as a test tells them: fakes of our own port around the embedded node. Used by the tests of
 * this folder only.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { MintAnswer } from '#lnd-bridge/contract.ts';
import { recoverSigner } from '#lnd-bridge/invoice-signature.ts';
import { createEmbeddedNode, type EmbeddedNode } from '#lnd-bridge/nodes/embedded.ts';
import { type NodeEntry } from '#lnd-bridge/pool-member.ts';
import { type LightningNode, type NodeRefusal } from '#lnd-bridge/ports.ts';
import { encodeAscii, formatHex } from '#protocol/bytes.ts';
import { refuse } from '#protocol/result.ts';
import { anOrder, createTestRandom, type TestBridge, type TestClock } from './bridge-harness.ts';

const DOWN: NodeRefusal = { code: 'node_unavailable', fault: 'unreachable', detail: 'the Lightning node cannot be reached' };

let draws = 0;

export interface FakeNode extends NodeEntry {
  readonly real: EmbeddedNode;
  /** Down: refuses. Lying: signs with a foreign key. */
  mood: 'well' | 'down' | 'throws' | 'lying';
  asked: number;
}

/** A node of this name, whose key is made of it. */
export function makeNode(name: string, { clock, changes = {} }: { clock: TestClock; changes?: Partial<LightningNode> }): FakeNode {
  const real = createEmbeddedNode({
    secretKey: sha256(encodeAscii(name)),
    clock,
    random: (length) => sha256(encodeAscii(`${name} ${draws++}`)).slice(0, length),
  });
  const foreign = createEmbeddedNode({ secretKey: sha256(encodeAscii('foreign')), clock, random: createTestRandom() });
  const fake: FakeNode = {
    name,
    concurrency: 4,
    real,
    mood: 'well',
    asked: 0,
    node: {
      ...real,
      async mint(order) {
        fake.asked += 1;
        if (fake.mood === 'down') return refuse(DOWN);
        if (fake.mood === 'throws') throw new Error('ECONNRESET');
        return (fake.mood === 'lying' ? foreign : real).mint(order);
      },
      async lookUp(hash) {
        if (fake.mood === 'down') return refuse(DOWN);
        return real.lookUp(hash);
      },
      health: async () => (fake.mood === 'down' ? 'node_unavailable' : 'ok'),
      ...changes,
    },
  };
  return fake;
}

/** One invoice, and who signed it. */
export async function mintAt(
  bridge: TestBridge,
  changes: Record<string, unknown> = {},
): Promise<{ status: number; signer: string | undefined; hash: string }> {
  const answer = await bridge.call({ body: anOrder(changes) });
  const minted = MintAnswer.safeParse(answer.body).data;
  return { status: answer.status, signer: minted && formatHex(recoverSigner(minted.invoice)!), hash: minted?.paymentHashHex ?? '' };
}
