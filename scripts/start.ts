/*
 * `npm start`: the whole system on this machine, until Ctrl-C. ORIGIN_URL (or UPSTREAM_URL) sells that API instead of the
 * sample, at PRICE_SATS a call; PORT is where the gateway listens.
 */
import { parseArgs } from 'node:util';
import { buildWorker } from '#local/build-worker.ts';
import { findFreePort } from '#local/ports.ts';
import { loadLocalSecrets } from '#local/secrets.ts';
import { BUNDLE_DIRECTORY, removeWalletFile, STATE_DIRECTORY, writeWalletFile } from '#local/state.ts';
import { startLocalSystem } from '#local/system.ts';

const HELP = `Usage: npm start

Runs bridge, embedded Lightning node, gateway and a sample API on this machine. No money moves.

Environment:
  ORIGIN_URL   sell this API instead of the sample (also UPSTREAM_URL)
  PRICE_SATS   price of a call of that API [1]
  PORT         where the gateway listens [8402, or the next free port]
`;

if (parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values.help === true) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const { ORIGIN_URL, UPSTREAM_URL, PRICE_SATS, PORT } = process.env;
  const originUrl = ORIGIN_URL ?? UPSTREAM_URL;
  const wantedPort = Number(PORT ?? '8402');
  const startedMs = performance.now();
  const { secrets, made } = loadLocalSecrets(STATE_DIRECTORY);
  if (made) console.log(`Made secrets for this machine in ${STATE_DIRECTORY}/secrets.json.`);
  const [gatewayPort, bundlePath] = await Promise.all([findFreePort(wantedPort), buildWorker({ outDirectory: BUNDLE_DIRECTORY })]);
  if (gatewayPort !== wantedPort) console.log(`Port ${wantedPort} is taken; using ${gatewayPort}.`);
  const started = startLocalSystem({
    stateDirectory: STATE_DIRECTORY,
    bundlePath,
    secrets,
    gatewayPort,
    originUrl,
    priceSats: PRICE_SATS ?? (originUrl === undefined ? undefined : '1'),
    onLine: (line) => console.log(`  ${line}`),
  });
  const system = await started.catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  });
  writeWalletFile(STATE_DIRECTORY, system.wallet);

  let stopping = false;
  const stop = async (code: number) => {
    if (stopping) return;
    stopping = true;
    removeWalletFile(STATE_DIRECTORY);
    await system.close();
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0));
  void system.gatewayEnded.then(() => {
    if (!stopping) console.error('The gateway process has ended unexpectedly.');
    return stop(1);
  });
  console.log(greeting({ ...system, sample: originUrl === undefined, readyMs: performance.now() - startedMs }));
}

function greeting({
  gatewayUrl,
  originUrl,
  wallet,
  sample,
  readyMs,
}: {
  gatewayUrl: string;
  originUrl: string;
  wallet: { url: string; token: string };
  sample: boolean;
  readyMs: number;
}): string {
  const url = `${gatewayUrl}${sample ? '/greeting' : '/'}`;
  return `
l402-edge sells ${originUrl} at ${gatewayUrl}  (ready in ${Math.round(readyMs)} ms)

  See the price:      curl -i ${url}
  Buy it:             npm run buy -- ${url}
${
  sample
    ? `  Other things:       npm run buy -- '${gatewayUrl}/agent?svc=primes&n=8402'
                      npm run buy -- ${gatewayUrl}/privacy-audit -d 'write to me@example.com'
`
    : ''
}  Pay by hand:        curl -s ${wallet.url}/v1/pay -H 'Authorization: Bearer ${wallet.token}' -d '{"invoice":"<invoice>"}'

The Lightning node is a stand-in for development: its invoices are real and signed, but NO MONEY MOVES.
Ctrl-C ends everything.
`;
}
