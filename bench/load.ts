/*
 * Load on one address of loopback: 32 connections for so many seconds, each with one request under way. wrk where it is
 * there, since it takes little of the machine that is measured; autocannon otherwise. Every answer must have the
 * status that is expected, or the figure is void. Effects: a process, or connections; files in a folder of its own.
 */
import autocannon from 'autocannon';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readCpuMs } from './process-facts.ts';

export interface LoadOptions {
  readonly url: string;
  readonly seconds: number;
  readonly expectedStatus: number;
  /** One for all requests, or one for each so many: when they run out the figure is void. */
  readonly authorizations?: readonly string[] | undefined;
  readonly usesOfEach?: number;
  /** Bytes that are sent along, by POST. */
  readonly bodyBytes?: number;
  readonly connections?: number;
  /** Each request from another client, as a proxy in front would tell it; else all from one. */
  readonly fromMany: boolean;
  /** The process whose CPU time is told. */
  readonly pid: number;
}

export interface Load {
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the process for each request. */
  readonly cpuUs: number;
}

const CONNECTIONS = 32;
/** Of 100 MiB, on a slow machine. */
const LONGEST_ANSWER = '30s';
const run = promisify(execFile);

/** The load generator that is used here. */
export const GENERATOR = hasWrk() ? 'wrk' : 'autocannon';

/** Puts load on an address and tells what came of it. */
export async function measureLoad(options: LoadOptions): Promise<Load> {
  const before = readCpuMs(options.pid);
  const { requests, expected, seconds, p50Ms, p99Ms } = await (GENERATOR === 'wrk' ? runWrk(options) : runAutocannon(options));
  const spentMs = readCpuMs(options.pid) - before;
  if (requests === 0 || expected !== requests) {
    throw new Error(`${requests} answers, ${requests - expected} of them not ${options.expectedStatus} (${options.url})`);
  }
  return { rps: requests / seconds, p50Ms, p99Ms, cpuUs: (spentMs * 1000) / requests };
}

interface Outcome extends Omit<Load, 'rps' | 'cpuUs'> {
  readonly requests: number;
  readonly expected: number;
  readonly seconds: number;
}

function hasWrk(): boolean {
  try {
    // wrk has no way to say its version and exit with 0: it is there if it can be started at all.
    execFileSync('wrk', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

function methodOf(bodyBytes: number): 'GET' | 'POST' {
  return bodyBytes === 0 ? 'GET' : 'POST';
}

const SCRIPT = `
local tokens, at = {}, 0
function init(args)
  if args[1] then for line in io.lines(args[1]) do tokens[#tokens + 1] = line end end
  if bodyBytes > 0 then body = string.rep("x", bodyBytes) end
  local headers = { ["X-Forwarded-For"] = "10.0.0.1" }
  if #tokens == 1 then headers["Authorization"] = tokens[1] end
  fixed = wrk.format(method, nil, headers, body)
end
function request()
  if #tokens < 2 and not fromMany then return fixed end
  at = at + 1
  local client = "10.0.0.1"
  if fromMany then client = string.format("10.%d.%d.%d", at / 65536 % 256, at / 256 % 256, at % 256) end
  local headers = { ["X-Forwarded-For"] = client }
  if #tokens > 1 then headers["Authorization"] = tokens[math.ceil(at / uses)] or "none" end
  return wrk.format(method, nil, headers, body)
end
function done(summary, latency)
  local failed = summary.errors.status
  local good = isRefusal and failed or summary.requests - failed
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('{"requests":%d,"expected":%d,"us":%d,"p50":%f,"p99":%f}\\n',
    summary.requests, good - lost, summary.duration, latency:percentile(50), latency:percentile(99)))
end
`;

async function runWrk({ url, seconds, expectedStatus, fromMany, ...options }: LoadOptions): Promise<Outcome> {
  const { authorizations = [], usesOfEach = 1, bodyBytes = 0, connections = CONNECTIONS } = options;
  const directory = mkdtempSync(join(tmpdir(), 'l402-load-'));
  try {
    const script = join(directory, 'load.lua');
    const tokens = join(directory, 'tokens');
    // What is global in the script is not known to "done", which runs in a state of its own.
    const settings = {
      isRefusal: expectedStatus >= 400,
      fromMany,
      uses: usesOfEach,
      bodyBytes,
      method: `"${methodOf(bodyBytes)}"`,
    };
    const locals = Object.entries(settings).map(([name, value]) => `local ${name} = ${value}\n`);
    writeFileSync(script, `${locals.join('')}${SCRIPT}`);
    writeFileSync(tokens, authorizations.join('\n'));
    const more = authorizations.length === 0 ? [] : [tokens];
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', LONGEST_ANSWER, '-s', script, url, '--', ...more];
    const { stdout } = await run('wrk', args, { maxBuffer: 1 << 20 });
    const told = JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as Record<'requests' | 'expected' | 'us' | 'p50' | 'p99', number>;
    return { ...told, seconds: told.us / 1e6, p50Ms: told.p50 / 1000, p99Ms: told.p99 / 1000 };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function runAutocannon({ url, seconds, expectedStatus, fromMany, ...options }: LoadOptions): Promise<Outcome> {
  const { authorizations = [], usesOfEach = 1, bodyBytes = 0, connections = CONNECTIONS } = options;
  let at = 0;
  const result = await autocannon({
    url,
    method: methodOf(bodyBytes),
    ...(bodyBytes === 0 ? {} : { body: 'x'.repeat(bodyBytes) }),
    connections,
    duration: seconds,
    requests: [
      {
        setupRequest(request) {
          const authorization = authorizations.length > 1 ? (authorizations[Math.floor(at / usesOfEach)] ?? 'none') : authorizations[0];
          at += 1;
          const client = fromMany ? `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}` : '10.0.0.1';
          const headers = { ...request.headers, 'x-forwarded-for': client };
          return { ...request, headers: authorization === undefined ? headers : { ...headers, authorization } };
        },
      },
    ],
  });
  const requests = Object.values(result.statusCodeStats ?? {}).reduce((sum, { count }) => sum + (count ?? 0), 0) + result.errors;
  const expected = result.statusCodeStats?.[`${expectedStatus}`]?.count ?? 0;
  return { requests, expected, seconds: result.duration, p50Ms: result.latency.p50, p99Ms: result.latency.p99 };
}
