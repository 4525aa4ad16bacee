/*
 * `npm run cost`: the cost of a million requests of each kind on Cloudflare, from measured operations. `-- --json` prints one
 * object. Effects: runs the system that the bench measures, for some five minutes.
 */
import { parseArgs } from 'node:util';
import { CASES } from '#bench/cases.ts';
import { COST_CASES } from '#bench/cost/cases.ts';
import { measureCpu, measureOperations, warmObjects } from '#bench/cost/measure-operations.ts';
import { PRICES } from '#bench/cost/prices.ts';
import { formatCosts, reportCosts } from '#bench/cost/report.ts';
import { startBenchSystem } from '#bench/system.ts';

/** Most APIs worth paying for take a while. */
const ORIGIN_MS = 100;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    only: { type: 'string' },
    alone: { type: 'string', default: '8' },
    busy: { type: 'string', default: '1500' },
  },
});
const chosen = values.only?.split(',') ?? COST_CASES.map(({ name }) => name);
const cases = COST_CASES.filter(({ name }) => chosen.includes(name));
if (cases.length !== chosen.length) throw new Error(`unknown case; choose from: ${COST_CASES.map(({ name }) => name).join(', ')}`);
const options = { aloneRequests: Number(values.alone), busyRequests: Number(values.busy) };

const system = await startBenchSystem({ originDelayMs: ORIGIN_MS });
try {
  const proxyCpuMs = await measureCpu(
    CASES.find(({ name }) => name === 'proxy')!,
    system,
    options.busyRequests,
  );
  await warmObjects(cases, system);
  const measured = [];
  for (const one of cases) {
    console.error(one.title);
    measured.push({ ...one, ...(await measureOperations(one, system, options)) });
  }
  const report = reportCosts(measured, { prices: PRICES, proxyCpuMs, originMs: ORIGIN_MS });
  console.log(values.json === true ? JSON.stringify(report) : formatCosts(report));
} finally {
  await system.close();
}
