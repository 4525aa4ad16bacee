/*
 * A chain of its own: btcd in regtest mode with its RPC on loopback and no peers. Effects: one process, its files.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { MINER_ADDRESS } from './coin.ts';
import { startDaemon, takePort, until, type DaemonProcess } from './daemon-process.ts';

export interface Chain {
  readonly process: DaemonProcess;
  /** What an lnd needs to follow this chain. */
  readonly lndArguments: readonly string[];
  call(method: string, ...parameters: readonly unknown[]): Promise<unknown>;
  mine(blocks: number): Promise<readonly string[]>;
}

const USER = 'chain';
const PASSWORD = 'of-the-tests';

/** Starts btcd on an empty chain. */
export async function startChain({ btcd, directory }: { btcd: string; directory: string }): Promise<Chain> {
  const port = await takePort();
  const certPath = join(directory, 'rpc.cert');
  const process = startDaemon(btcd, [
    '--regtest',
    '--nolisten',
    `--datadir=${join(directory, 'data')}`,
    `--logdir=${join(directory, 'logs')}`,
    `--configfile=${join(directory, 'btcd.conf')}`,
    `--rpclisten=127.0.0.1:${port}`,
    `--rpcuser=${USER}`,
    `--rpcpass=${PASSWORD}`,
    `--rpccert=${certPath}`,
    `--rpckey=${join(directory, 'rpc.key')}`,
    `--miningaddr=${MINER_ADDRESS}`,
  ]);
  const call = (method: string, ...params: readonly unknown[]): Promise<unknown> =>
    callRpc({ port, certPath }, JSON.stringify({ jsonrpc: '1.0', id: 1, method, params }));
  await until('btcd', () => call('getblockcount') as Promise<number>, process);
  return {
    process,
    call,
    mine: async (blocks) => (await call('generate', blocks)) as readonly string[],
    lndArguments: [
      '--bitcoin.regtest',
      '--bitcoin.node=btcd',
      `--btcd.rpchost=127.0.0.1:${port}`,
      `--btcd.rpcuser=${USER}`,
      `--btcd.rpcpass=${PASSWORD}`,
      `--btcd.rpccert=${certPath}`,
    ],
  };
}

function callRpc({ port, certPath }: { port: number; certPath: string }, body: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      agent: false,
      auth: `${USER}:${PASSWORD}`,
      ca: readFileSync(certPath),
      headers: { 'content-type': 'application/json' },
    });
    outgoing.on('error', reject);
    outgoing.once('response', async (incoming) => {
      let text = '';
      for await (const chunk of incoming) text += String(chunk);
      try {
        const { result, error } = JSON.parse(text) as { result: unknown; error: { message: string } | null };
        if (error === null) resolve(result);
        else reject(new Error(`btcd: ${error.message}`));
      } catch {
        reject(new Error(`btcd answered ${incoming.statusCode}`));
      }
    });
    outgoing.end(body);
  });
}
