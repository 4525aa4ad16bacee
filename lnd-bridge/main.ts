/*
 * The bridge's process: settings from the environment and files, log lines as JSON on stdout, messages for people on stderr.
 * Exit codes: 2 if the settings or the command are wrong, 1 if it cannot start or `check` finds a problem, 0 after SIGINT or
 * SIGTERM. SIGUSR2 reloads the keys shared with the gateway. (Not SIGHUP, which should end a bridge in a terminal.)
 */
import { parseArgs } from 'node:util';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type BridgeConfig, type ConfigProblem, readConfig } from './config.ts';
import { describeFault } from './fault-text.ts';
import { formatInspection, type Inspection } from './inspection.ts';
import { type Log } from './ports.ts';
import { readSettings } from './settings-files.ts';
import { formatHelp } from './settings-help.ts';
import { checkNodes, startNodeBridge } from './start-nodes.ts';
import { startBridge, type RunningBridge } from './start.ts';

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);
const EXIT = { ok: 0, failed: 1, misused: 2 } as const;

const log: Log = (entry) => console.log(JSON.stringify({ at: new Date().toISOString(), ...entry }));

interface Command {
  readonly name: 'serve' | 'check' | 'help';
  readonly configPath: string | undefined;
}

function readCommand(argv: readonly string[]): Result<Command, string> {
  try {
    const options = { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const [name = 'serve', ...others] = values.help === true ? ['help'] : positionals;
    if (others.length > 0 || (name !== 'serve' && name !== 'check' && name !== 'help'))
      return refuse('the commands are: serve, check, help');
    return accept({ name, configPath: values.config });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : 'the command cannot be read');
  }
}

function loadConfig({ configPath }: Command): Result<BridgeConfig, readonly ConfigProblem[]> {
  const settings = readSettings(process.env, { configPath });
  return settings.ok ? readConfig(settings.value) : settings;
}

function tell(inspections: readonly Inspection[]): void {
  for (const line of inspections.flatMap(formatInspection)) console.error(line);
}

async function check(config: BridgeConfig): Promise<number> {
  if (config.nodes.length === 0) {
    console.error('embedded: ok (a stand-in for development: no money moves)');
    return EXIT.ok;
  }
  // The log would only repeat what is printed here.
  const inspections = await checkNodes(config, { log: () => undefined });
  tell(inspections);
  return inspections.some(({ findings }) => findings.some(({ severity }) => severity === 'problem')) ? EXIT.failed : EXIT.ok;
}

type Running = Pick<RunningBridge, 'close' | 'setKeys'>;

async function startEmbedded(config: BridgeConfig): Promise<Running> {
  const bridge = await startBridge(config, { log });
  const token = config.embedded.payToken === undefined ? bridge.wallet.token : '(as set in BRIDGE_EMBEDDED_PAY_TOKEN)';
  console.error(
    `bridge ${bridge.url} network ${bridge.network} node ${bridge.node.kind} wallet ${bridge.wallet.url}/v1/pay token ${token}` +
      ' *** STAND-IN NODE FOR DEVELOPMENT: NO MONEY MOVES ***',
  );
  return bridge;
}

async function startReal(config: BridgeConfig): Promise<Running | undefined> {
  const started = await startNodeBridge(config, { log });
  if (!started.ok) {
    tell(started.refusal);
    console.error('the bridge does not start before such a node');
    return undefined;
  }
  const { url, inspections } = started.value;
  tell(inspections);
  for (const { name, findings } of inspections) {
    if (findings.some(({ code }) => code === 'credential_too_strong')) {
      console.error(
        `*** WARNING: THE CREDENTIAL OF ${name.toUpperCase()} CAN SPEND. WHOEVER TAKES OVER THIS BRIDGE CAN TAKE THE MONEY. ***`,
      );
    }
  }
  console.error(`bridge ${url} network ${config.network} nodes ${config.nodes.map(({ name }) => name).join(', ')}`);
  return started.value;
}

/** Reloads the keys, and nothing else; if the settings are wrong, the bridge keeps its current keys. */
function readKeysAnew(command: Command, { setKeys }: Running): void {
  const config = loadConfig(command);
  if (!config.ok) {
    console.error('the settings have become wrong; the keys stay as they were');
    tellProblems(config.refusal);
    return;
  }
  setKeys(config.value.keys);
  console.error(`keys ${config.value.keys.map(({ id }) => id).join(', ')}`);
}

function tellProblems(problems: readonly ConfigProblem[]): void {
  for (const { key, reason } of problems) console.error(`${key} ${reason}`);
}

async function serve(config: BridgeConfig, command: Command): Promise<number> {
  const running = await (config.nodes.length === 0 ? startEmbedded(config) : startReal(config));
  if (running === undefined) return EXIT.failed;
  process.on('SIGUSR2', () => readKeysAnew(command, running));
  if (!LOOPBACK.has(config.host)) console.error('warning: BRIDGE_HOST is not loopback; let nobody but the gateway reach this port');
  // A second signal finds no listener and ends the process at once.
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await running.close();
  return EXIT.ok;
}

async function run(): Promise<number> {
  const command = readCommand(process.argv.slice(2));
  if (!command.ok) {
    console.error(`${command.refusal}\n\n${formatHelp()}`);
    return EXIT.misused;
  }
  if (command.value.name === 'help') {
    console.log(formatHelp());
    return EXIT.ok;
  }
  const config = loadConfig(command.value);
  if (!config.ok) {
    tellProblems(config.refusal);
    return EXIT.misused;
  }
  return command.value.name === 'check' ? check(config.value) : serve(config.value, command.value);
}

process.exitCode = await run().catch((error: unknown) => {
  console.error(`the bridge cannot start: ${describeFault(error).message}`);
  return EXIT.failed;
});
