/*
 * Real nginx as an origin, where it is installed: with the auth_request of docs/origins.md in front of a program that says
 * who came through the gateway. In a folder of its own, on free ports, ended by its own id.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Nginx {
  readonly url: string;
  close(): void;
}

/** Whether nginx is installed. */
export const hasNginx = spawnSync('nginx', ['-v']).error === undefined;

/** Starts nginx with the configuration that the docs show, in front of an API. */
export async function startNginx({ apiUrl, originSecret }: { apiUrl: string; originSecret: string }): Promise<Nginx> {
  const environment = { ...process.env, ORIGIN_SECRET: originSecret, PORT: '0' };
  const verifier = spawn(process.execPath, ['examples/verify/auth-request.mjs'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(verifier.stdout, 'data')) as [Buffer];
  const presented = /```nginx\n([\s\S]*?)```/.exec(readFileSync('docs/origins.md', 'utf8'))![1]!;
  const server = presented.replace('http://127.0.0.1:3000', apiUrl).replace(':9402', `:${/\d+/.exec(line.toString())![0]}`);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'l402-nginx-'));
  mkdirSync(join(folder, 'logs'));
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n');
  const configuration = `pid ${folder}/nginx.pid;\nerror_log ${folder}/logs/error.log;\nevents {}
http {\naccess_log off;\n${paths}\nserver {\nlisten 127.0.0.1:${port};\n${server}\n}\n}\n`;
  writeFileSync(join(folder, 'nginx.conf'), configuration);
  // nginx goes into the background once it listens.
  const started = spawnSync('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { encoding: 'utf8' });
  if (started.status !== 0) throw new Error(started.stderr);
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      process.kill(Number(readFileSync(join(folder, 'nginx.pid'), 'utf8')), 'SIGTERM');
      verifier.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return port;
}
