/*
 * What a request of a case does, counted on the gateway whose objects count: once with requests that come alone, so far apart
 * that nothing is shared, and once with many at a time. CPU time is that of the whole workerd process, on the gateway that
 * does not count. Effects: requests.
 */
import { type Case } from '../cases.ts';
import { readUsages, subtractUsage, sumUsages } from '../operations.ts';
import { readCpuMs } from '../process-facts.ts';
import { type BenchSystem } from '../system.ts';
import { type Operations } from './price-operations.ts';

export interface Measured {
  readonly alone: Operations;
  readonly busy: Operations;
}

export interface MeasureOptions {
  readonly aloneRequests: number;
  readonly busyRequests: number;
}

/** Beyond the longest timer of an object (a second, kept-rows.ts): what the last request began is over. */
const APART_MS = 1300;
const AT_ONCE = 32;
const WARM_UP = 3;
/** Clients are spread over sixteen objects: of so many, none is left out. */
const REQUESTS_TO_WARM = 256;

/** Every object there is has made its tables afterwards: what is counted later is what requests do, not what being new does. */
export async function warmObjects(cases: readonly Case[], system: BenchSystem): Promise<void> {
  for (const one of cases) {
    const url = system.urlOf('metered', one.path);
    await send(url, { ...(await makeLoad(one, REQUESTS_TO_WARM)), status: undefined });
  }
  await rest();
}

/** Both figures of a case. */
export async function measureOperations(one: Case, system: BenchSystem, options: MeasureOptions): Promise<Measured> {
  const metered = system.urlOf('metered', one.path);
  await send(metered, { ...(await makeLoad(one, WARM_UP)), status: undefined });
  const alone = await count(system, await makeLoad(one, options.aloneRequests), async (load) => {
    for (const [index, request] of load.requests.entries()) {
      if (index > 0) await rest();
      await send(metered, { ...load, requests: [request] });
    }
  });
  const busy = await count(system, await makeLoad(one, options.busyRequests), (load) => send(metered, load));
  const cpuMs = await measureCpu(one, system, options.busyRequests);
  return { alone: { ...alone, cpuMs }, busy: { ...busy, cpuMs } };
}

/** CPU time of workerd for each request of a case. */
export async function measureCpu(one: Case, system: BenchSystem, requests: number): Promise<number> {
  const url = system.urlOf(one.gateway, one.path);
  await send(url, { ...(await makeLoad(one, WARM_UP)), status: undefined });
  const load = await makeLoad(one, requests);
  const before = readCpuMs(system.pid);
  await send(url, load);
  return (readCpuMs(system.pid) - before) / requests;
}

interface Load {
  /** The headers of each. */
  readonly requests: readonly Readonly<Record<string, string>>[];
  /** What each is answered; not looked at while warming up. */
  readonly status: number | undefined;
}

/** Tokens are made beforehand, outside of what is measured. */
async function makeLoad({ tokens, fromMany, status }: Case, count: number): Promise<Load> {
  const shared = tokens?.count === 'one' ? await tokens.make() : undefined;
  const requests = Array.from({ length: count }, async (_, index) => {
    const authorization = shared ?? (await tokens?.make());
    const client = fromMany === true ? `10.2.${index >> 8}.${index & 255}` : '10.0.0.1';
    return { 'x-forwarded-for': client, ...(authorization === undefined ? {} : { authorization }) };
  });
  return { requests: await Promise.all(requests), status };
}

async function count(system: BenchSystem, load: Load, work: (load: Load) => Promise<void>): Promise<Omit<Operations, 'cpuMs'>> {
  const read = async () => sumUsages(await readUsages(system.urlOf('metered', '')));
  await rest();
  const before = await read();
  await work(load);
  await rest();
  const done = subtractUsage(await read(), before);
  const each = (sum: number) => sum / load.requests.length;
  return {
    workerRequests: 1,
    objectRequests: each(done.calls + done.alarms),
    objectSeconds: each(done.activeMs / 1000),
    rowsRead: each(done.rowsRead),
    rowsWritten: each(done.rowsWritten),
    storedBytes: each(done.storedBytes),
  };
}

async function send(url: string, { requests, status }: Load): Promise<void> {
  const left = requests.values();
  const work = async () => {
    for (const headers of left) {
      const response = await fetch(url, { headers });
      await response.arrayBuffer();
      if (status !== undefined && response.status !== status) throw new Error(`${url}: ${response.status}, not ${status}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function rest(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, APART_MS));
}
