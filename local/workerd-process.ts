/*
 * A workerd process: started from a configuration, watched, and stopped by its own id. Effects: writes the configuration
 * file, spawns and signals one process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { CLAIM_DISK, formatWorkerdConfig, socketName, type GatewayService } from './workerd-config.ts';

/** The package exports the path of its binary, in CommonJS. */
export const WORKERD = (createRequire(import.meta.url)('workerd') as { readonly default: string }).default;

export interface WorkerdOptions {
  /** Holds the configuration file and, below it, the Durable Objects. */
  readonly directory: string;
  readonly gateways: readonly (GatewayService & { readonly port: number })[];
  /** The values of the gateways' secrets. Nothing else of this process's environment is passed on. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called with every line that the Workers log. */
  readonly onLine: (line: string) => void;
}

export interface RunningWorkerd {
  /** Port of each gateway, by name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly pid: number;
  /** Resolves when the process has ended, for any reason. */
  readonly ended: Promise<void>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts workerd; resolves when every gateway listens. Port 0: any free port. */
export async function startWorkerd({ gateways, environment, onLine, ...options }: WorkerdOptions): Promise<RunningWorkerd> {
  const directory = resolve(options.directory);
  const claims = join(directory, 'claims');
  mkdirSync(claims, { recursive: true });
  const configPath = join(directory, 'workerd.capnp');
  // An embedded file is named relative to the configuration.
  const placed = gateways.map((gateway) => ({ ...gateway, bundlePath: relative(directory, resolve(gateway.bundlePath)) }));
  writeFileSync(configPath, formatWorkerdConfig(placed));
  const sockets = gateways.flatMap(({ name, port }) => ['--socket-addr', `${socketName(name)}=127.0.0.1:${port}`]);
  const child = spawn(WORKERD, ['serve', configPath, '--directory-path', `${CLAIM_DISK}=${claims}`, '--control-fd=3', ...sockets], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  for (const output of [child.stdout, child.stderr]) createInterface({ input: output as Readable }).on('line', onLine);
  const ports = await readPorts(
    child,
    gateways.map(({ name }) => name),
  );
  return {
    ports,
    pid: child.pid!,
    ended,
    kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

/** Reads the port of each socket from workerd's control channel. */
function readPorts(child: ChildProcess, names: readonly string[]): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const ports: Record<string, number> = {};
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`workerd ended with code ${code} before it listened`)));
    createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
      const message = JSON.parse(line) as { event: string; socket?: string; port?: number };
      const name = names.find((candidate) => socketName(candidate) === message.socket);
      if (message.event === 'listen' && name !== undefined && message.port !== undefined) ports[name] = message.port;
      if (Object.keys(ports).length === names.length) resolve(ports);
    });
  });
}
