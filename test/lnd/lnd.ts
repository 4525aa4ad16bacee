/*
 * One LND on loopback: its process, which can be killed and started again on the same wallet and ports, and its REST
 * interface with the admin's macaroon. A node with a password can be started locked. Effects: processes, files, calls.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createNodeClient, type NodeClient } from '#lnd-bridge/nodes/node-http.ts';
import { readCertificates } from '#lnd-bridge/nodes/tls-pin.ts';
import { type Chain } from './btcd.ts';
import { startDaemon, takePort, until, type DaemonProcess } from './daemon-process.ts';
import { type Daemons } from './daemons.ts';

/** The parsed answer of the REST interface; throws the node's own words otherwise. */
export type LndCall = <Answer = unknown>(method: 'GET' | 'POST', path: string, body?: unknown) => Promise<Answer>;

export interface LndNode {
  /** The REST address. */
  readonly url: string;
  readonly keyHex: string;
  /** Where other nodes connect. */
  readonly peerAddress: string;
  readonly certificatePath: string;
  /** As the admin. */
  readonly call: LndCall;
  /** With another macaroon. */
  callWith(macaroonHex: string): LndCall;
  /** lncli's standard output. */
  lncli(...argv: readonly string[]): Promise<string>;
  /** Bakes a macaroon with lncli, as docs/bridge.md says. */
  bake(permissions: readonly string[]): Promise<BakedMacaroon>;
  isActive(): Promise<boolean>;
  kill(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again. Locked: it waits for its password, and then `unlock` gives it. */
  restart(options?: { readonly locked: boolean }): Promise<void>;
  unlock(): Promise<void>;
}

export interface BakedMacaroon {
  readonly path: string;
  readonly hex: string;
}

export interface LndOptions {
  readonly daemons: Daemons;
  readonly chain: Chain;
  readonly directory: string;
  /** A wallet with a password is one that can be locked. */
  readonly hasPassword: boolean;
}

const PASSWORD = 'password of the tests';
const CALL_TIMEOUT_MS = 30_000;
const run = promisify(execFile);

/** Starts a node; resolves when it is in step with the chain. */
export async function startLnd({ daemons, chain, directory, hasPassword }: LndOptions): Promise<LndNode> {
  mkdirSync(directory, { recursive: true });
  const [rest, rpc, peer] = [await takePort(), await takePort(), await takePort()];
  const certificatePath = join(directory, 'tls.cert');
  const adminMacaroonPath = join(directory, 'data', 'chain', 'bitcoin', 'regtest', 'admin.macaroon');
  const passwordPath = join(directory, 'password');
  writeFileSync(passwordPath, PASSWORD);
  const url = `https://127.0.0.1:${rest}`;
  const common = [
    `--lnddir=${directory}`,
    ...chain.lndArguments,
    `--restlisten=127.0.0.1:${rest}`,
    `--rpclisten=127.0.0.1:${rpc}`,
    `--listen=127.0.0.1:${peer}`,
    '--nobootstrap',
    '--trickledelay=50',
    '--bitcoin.defaultchanconfs=1',
    '--debuglevel=error',
  ];
  let client: NodeClient | undefined;
  let adminMacaroonHex: string | undefined;
  let process: DaemonProcess;

  async function start(extra: readonly string[], state: RegExp): Promise<void> {
    process = startDaemon(daemons.lnd, [...common, ...extra], { HOME: directory });
    await until(
      `lnd ${state.source}`,
      async () => {
        if (!existsSync(certificatePath)) return false;
        client ??= createNodeClient({
          url,
          pin: readCertificates(readFileSync(certificatePath, 'utf8')),
          timeoutMs: CALL_TIMEOUT_MS,
          maxConnections: 8,
        });
        return isInState(state);
      },
      process,
    );
  }

  function callWith(macaroonHex: string | undefined): LndCall {
    return async <Answer>(method: 'GET' | 'POST', path: string, body?: unknown) => {
      const headers = macaroonHex === undefined ? {} : { 'grpc-metadata-macaroon': macaroonHex };
      const sent = { method, path, headers, isOnce: true, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      const reply = await client!.send(sent);
      if (!reply.ok) throw new Error(`lnd ${path}: ${reply.refusal.detail}`);
      if (reply.value.status !== 200) throw new Error(`lnd ${path}: ${reply.value.status} ${reply.value.text}`);
      return JSON.parse(reply.value.text) as Answer;
    };
  }
  const call: LndCall = (...asked) => callWith(adminMacaroonHex)(...asked);

  const isInState = async (state: RegExp): Promise<boolean> => state.test((await call<{ state: string }>('GET', '/v1/state')).state);
  const readInfo = () => call<{ identity_pubkey: string; synced_to_chain: boolean }>('GET', '/v1/getinfo');
  async function isReady(): Promise<string> {
    await until('lnd active', () => isInState(/SERVER_ACTIVE/), process);
    adminMacaroonHex = readFileSync(adminMacaroonPath).toString('hex');
    return until('lnd in step', async () => {
      const info = await readInfo();
      return info.synced_to_chain && info.identity_pubkey;
    });
  }

  async function lncli(...argv: readonly string[]): Promise<string> {
    const where = [`--lnddir=${directory}`, `--rpcserver=127.0.0.1:${rpc}`, '--network=regtest'];
    return (await run(daemons.lncli, [...where, ...argv], { env: { HOME: directory } })).stdout;
  }

  const unlocked = hasPassword ? [`--wallet-unlock-password-file=${passwordPath}`] : ['--noseedbackup'];
  if (hasPassword) {
    await start([], /NON_EXISTING/);
    const seed = await call<{ cipher_seed_mnemonic: readonly string[] }>('GET', '/v1/genseed');
    const wallet_password = Buffer.from(PASSWORD).toString('base64');
    await call('POST', '/v1/initwallet', { wallet_password, cipher_seed_mnemonic: seed.cipher_seed_mnemonic });
  } else {
    await start(unlocked, /_ACTIVE/);
  }
  return {
    url,
    keyHex: await isReady(),
    peerAddress: `127.0.0.1:${peer}`,
    certificatePath,
    call,
    callWith,
    lncli,
    async bake(permissions) {
      const path = join(directory, `${randomUUID()}.macaroon`);
      await lncli('bakemacaroon', '--save_to', path, ...permissions);
      return { path, hex: readFileSync(path).toString('hex') };
    },
    isActive: () => isInState(/SERVER_ACTIVE/).catch(() => false),
    kill: (signal = 'SIGKILL') => process.end(signal),
    async restart({ locked } = { locked: false }) {
      await start(locked ? [] : unlocked, locked ? /^LOCKED/ : /_ACTIVE/);
      if (!locked) await isReady();
    },
    async unlock() {
      await call('POST', '/v1/unlockwallet', { wallet_password: Buffer.from(PASSWORD).toString('base64') });
      await isReady();
    },
  };
}
