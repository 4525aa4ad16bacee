/*
 * `npm start`: runs the whole system on this machine until Ctrl-C. It sells what gateway.config.ts says; as shipped that is
 * the sample API, which it starts too. ORIGIN_URL (or UPSTREAM_URL) overrides the origin; PORT is where the gateway listens.
 * Effects: processes, ports, files.
 */
import { parseArgs } from 'node:util';
import { buildWorker } from '#local/build-worker.ts';
import { findFreePort } from '#local/ports.ts';
import { loadLocalSecrets } from '#local/secrets.ts';
import { BUNDLE_DIRECTORY, removeWalletFile, STATE_DIRECTORY, writeWalletFile } from '#local/state.ts';
import { startLocalSystem, type LocalSystem } from '#local/system.ts';
import { formatProblems, formatWarnings, readGatewayFile } from './gateway-file.ts';
import { formatGreeting } from './greeting.ts';
import { planSale, readStartSettings, type LocalSale } from './local-sale.ts';

const HELP = `Usage: npm start

Runs bridge, embedded Lightning node and gateway on this machine, and sells what gateway.config.ts says. As shipped that is a
sample API, which runs too. No money moves.

Environment:
  ORIGIN_URL   sell the API at this URL instead of origin (UPSTREAM_URL also works). Your routes and prices apply; if
               gateway.config.ts still has the sample routes, the whole API is sold at 1 satoshi a call
  PRICE_SATS   sell everything at this price; only closed routes stay closed
  PORT         where the gateway listens [8402, or the next free port]
Secrets named in gateway.config.ts are read from environment variables of the same name.
`;

/** Exits with a message about something that the user can fix. */
function giveUp(message: string): never {
  console.error(message);
  process.exit(1);
}

function wantsHelp(): boolean {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values.help === true;
  } catch (error) {
    return giveUp(`${(error as Error).message}\n"npm start -- --help" lists the settings.`);
  }
}

if (wantsHelp()) process.stdout.write(HELP);
else await main().catch((error: unknown) => giveUp(error instanceof Error ? error.message : String(error)));

async function main(): Promise<void> {
  const startedMs = performance.now();
  const settings = readStartSettings(process.env);
  const file = await readGatewayFile();
  const unread = [settings, file].flatMap((part) => (part.ok ? [] : part.refusal));
  if (!settings.ok || !file.ok) return giveUp(`Not started:\n${formatProblems(unread)}`);
  const { secrets, made } = loadLocalSecrets(STATE_DIRECTORY);
  const sale = planSale(file.value, settings.value, { environment: process.env, secrets });
  if (!sale.ok) return giveUp(`Not started:\n${formatProblems(sale.refusal)}`);
  if (made) console.log(`Created secrets for this machine in ${STATE_DIRECTORY}/secrets.json.`);
  if (sale.value.warnings.length > 0) console.error(formatWarnings(sale.value.warnings));
  const { port } = settings.value;
  const [gatewayPort, bundlePath] = await Promise.all([findFreePort(port), buildWorker({ outDirectory: BUNDLE_DIRECTORY })]);
  if (gatewayPort !== port) console.log(`Port ${port} is taken; using ${gatewayPort}.`);
  const onLine = (line: string) => console.log(`  ${line}`);
  const system = await startLocalSystem({ stateDirectory: STATE_DIRECTORY, bundlePath, secrets, gatewayPort, onLine, ...sale.value });
  runUntilStopped(system);
  greet(system, { sale: sale.value, readyMs: performance.now() - startedMs });
}

function runUntilStopped(system: LocalSystem): void {
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
}

function greet({ gatewayUrl, originUrl, wallet }: LocalSystem, { sale, readyMs }: { sale: LocalSale; readyMs: number }): void {
  const { call, originName = originUrl ?? '', isSample } = sale;
  console.log(formatGreeting({ gatewayUrl, originName, wallet, call, isSample, readyMs }));
}
