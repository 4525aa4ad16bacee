/*
 * A Lightning network of two: a chain, a buyer, a seller and one channel between them that both can pay through. Everything
 * stands in one folder and is gone at the end. Effects: processes, files.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChain, type Chain } from './btcd.ts';
import { spendCoinbase } from './coin.ts';
import { until } from './daemon-process.ts';
import { type Daemons } from './daemons.ts';
import { startLnd, type LndNode } from './lnd.ts';

export interface Lightning {
  readonly chain: Chain;
  readonly buyer: LndNode;
  readonly seller: LndNode;
  /** Connects the two again, as after a restart; resolves when both ends can use the channel. */
  connect(): Promise<void>;
  /** Resolves when the buyer has noticed that the seller is gone. */
  disconnected(): Promise<void>;
  /** What the buyer can still send, in satoshi. */
  buyerSats(): Promise<bigint>;
  close(): Promise<void>;
}

/** The largest that needs no extra option; the seller gets a part so that both have something to send. */
const CHANNEL_SATS = 16_000_000;
const PUSH_SATS = 1_000_000;
/** Segwit and taproot are in force from block 432 on; before that no channel can be funded. */
const FIRST_BLOCKS = 450;
const COINBASE_SATS = 5_000_000_000n;
const FEE_SATS = 10_000n;

/** Starts everything; when one part fails, those that run are ended. */
export async function startLightning(daemons: Daemons): Promise<Lightning> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-lnd-'));
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(closers.splice(0).map((end) => end()));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    mkdirSync(join(directory, 'btcd'));
    const chain = await startChain({ btcd: daemons.btcd, directory: join(directory, 'btcd') });
    closers.push(() => chain.process.end('SIGINT'));
    const [firstBlock] = await chain.mine(FIRST_BLOCKS);
    const open = async (name: string, hasPassword: boolean): Promise<LndNode> => {
      const node = await startLnd({ daemons, chain, directory: join(directory, name), hasPassword });
      closers.push(() => node.kill());
      return node;
    };
    // One after the other's failure must still end the other: both are awaited whatever happens.
    const opened = await Promise.allSettled([open('buyer', false), open('seller', true)]);
    const [buyer, seller] = opened.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    }) as [LndNode, LndNode];
    await fund({ chain, buyer, firstBlock: firstBlock! });
    await openChannel({ chain, buyer, seller });
    const connectBoth = async (): Promise<void> => {
      // LND by itself takes from seconds to minutes to call a peer again.
      await until('the connection', () => connect(buyer, seller));
      await Promise.all([buyer, seller].map((node) => until('the channel', () => hasChannel(node))));
    };
    await connectBoth();
    return {
      chain,
      buyer,
      seller,
      connect: connectBoth,
      disconnected: () => until('the end of the connection', async () => !(await hasChannel(buyer))).then(() => undefined),
      async buyerSats() {
        const { local_balance } = await buyer.call<{ local_balance: { sat: string } }>('GET', '/v1/balance/channels');
        return BigInt(local_balance.sat);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Gives the buyer the coin of the first block. */
async function fund({ chain, buyer, firstBlock }: { chain: Chain; buyer: LndNode; firstBlock: string }): Promise<void> {
  const { address } = await buyer.call<{ address: string }>('GET', '/v1/newaddress');
  const { tx } = (await chain.call('getblock', firstBlock)) as { tx: readonly string[] };
  await chain.call('sendrawtransaction', spendCoinbase({ txidHex: tx[0]!, toAddress: address, amountSats: COINBASE_SATS - FEE_SATS }));
  await chain.mine(3);
  await until('the coin of the buyer', async () => {
    const { confirmed_balance } = await buyer.call<{ confirmed_balance: string }>('GET', '/v1/balance/blockchain');
    return BigInt(confirmed_balance) > 0n;
  });
}

async function openChannel({ chain, buyer, seller }: { chain: Chain; buyer: LndNode; seller: LndNode }): Promise<void> {
  await until('the first connection', () => connect(buyer, seller));
  const channel = {
    node_pubkey: Buffer.from(seller.keyHex, 'hex').toString('base64'),
    local_funding_amount: String(CHANNEL_SATS),
    push_sat: String(PUSH_SATS),
    private: true,
  };
  // Refused as long as either of them is still reading blocks, or the connection is not up yet.
  await until('the funding of the channel', async () => {
    await buyer.call('POST', '/v1/channels', channel);
    return true;
  });
  await until('the funding transaction', async () => ((await chain.call('getrawmempool')) as readonly string[]).length > 0);
  await chain.mine(3);
}

/** Whether they are connected now; a connection that the other end has just lost is not one. */
async function connect(from: LndNode, to: LndNode): Promise<boolean> {
  const isConnected = async (): Promise<boolean> => {
    const { peers } = await from.call<{ peers: readonly unknown[] }>('GET', '/v1/peers');
    return peers.length > 0;
  };
  if (await isConnected()) return true;
  await from.call('POST', '/v1/peers', { addr: { pubkey: to.keyHex, host: to.peerAddress }, perm: false });
  return false;
}

async function hasChannel(node: LndNode): Promise<boolean> {
  const { channels } = await node.call<{ channels: readonly unknown[] }>('GET', '/v1/channels?active_only=true');
  return channels.length > 0;
}
