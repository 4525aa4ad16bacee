/*
 * Sources of settings besides the environment: one JSON file with the same names, and separate files for secret or long
 * values (`BRIDGE_SECRET_FILE=/run/secrets/…`). The environment overrides the file. Effects: reads files.
 */
import { readFileSync } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { parseJson } from './http-listener.ts';
import { type ConfigProblem, type RawSettings } from './setting-types.ts';

/** Settings whose value may be in a separate file. */
const IN_FILES =
  /^BRIDGE_(?:(?:PREVIOUS_|PREIMAGE_)?SECRET|METRICS_TOKEN|EMBEDDED_(?:NODE_KEY|PAY_TOKEN)|NODE[2-4]?_(?:CONNECT|MACAROON|RUNE|PASSWORD|CERT))$/;
const FILE_SUFFIX = '_FILE';
/** The tab character; no text contains a lower byte. */
const FIRST_TEXT_BYTE = 0x09;

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads all settings as texts, from every source. */
export function readSettings(
  environment: Environment,
  { configPath }: { configPath: string | undefined },
): Result<RawSettings, readonly ConfigProblem[]> {
  const file = configPath === undefined ? accept({}) : readConfigFile(configPath);
  if (!file.ok) return file;
  const ours = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[0].startsWith('BRIDGE_') && entry[1] !== undefined,
  );
  const settings: Record<string, string> = { ...file.value, ...Object.fromEntries(ours) };
  const problems: ConfigProblem[] = [];
  for (const [key, path] of Object.entries(settings)) {
    const target = key.endsWith(FILE_SUFFIX) ? key.slice(0, -FILE_SUFFIX.length) : undefined;
    if (target === undefined || !IN_FILES.test(target)) continue;
    delete settings[key];
    if (settings[target] !== undefined) problems.push({ key, reason: `stands beside ${target}: give one of them` });
    const content = readText(path);
    if (content === undefined) problems.push({ key, reason: 'cannot be read' });
    else settings[target] = content;
  }
  return problems.length > 0 ? refuse(problems) : accept(settings);
}

/** `{"BRIDGE_NODE": "lnd", "BRIDGE_PORT": 8404, "BRIDGE_STRICT": true}` */
function readConfigFile(path: string): Result<RawSettings, readonly ConfigProblem[]> {
  const text = readText(path);
  if (text === undefined) return refuse([{ key: '--config', reason: 'cannot be read' }]);
  const parsed = parseJson(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return refuse([{ key: '--config', reason: 'must be a JSON object' }]);
  const settings: Record<string, string> = {};
  const problems: ConfigProblem[] = [];
  for (const [key, value] of Object.entries(parsed)) {
    if (!key.startsWith('BRIDGE_')) problems.push({ key, reason: 'is not a setting of the bridge' });
    else if (!['string', 'number', 'boolean'].includes(typeof value))
      problems.push({ key, reason: 'must be a text, a number, true or false' });
    else settings[key] = String(value);
  }
  return problems.length > 0 ? refuse(problems) : accept(settings);
}

/** Reads a file: text without a final line end, other content (macaroons are bytes) as hex. */
function readText(path: string): string | undefined {
  try {
    const bytes = readFileSync(path);
    // A macaroon that happens to be UTF-8 still contains control bytes, and no text setting does.
    const isText = isUtf8(bytes) && bytes.every((byte) => byte >= FIRST_TEXT_BYTE);
    return isText ? bytes.toString('utf8').replace(/\r?\n$/, '') : bytes.toString('hex');
  } catch {
    return undefined;
  }
}
