/*
 * The cost of each kind of request beside the platform's floor, as one object and as a table. Pure.
 */
import { type CostCase } from './cases.ts';
import { type Measured } from './measure-operations.ts';
import { countingFloor, forwardingFloor, priceControl, priceOperations, type Cost, type Operations } from './price-operations.ts';
import { type Prices } from './prices.ts';

/** The default of `controlRefreshSeconds`. */
export const CONTROL_REFRESH_SECONDS = 10;

export interface CostLine {
  readonly title: string;
  readonly floor: CostCase['floor'];
  readonly alone: Priced;
  readonly busy: Priced;
}

interface Priced {
  readonly operations: Operations;
  /** Dollars for a million. */
  readonly cost: Cost;
  /** Times the floor. */
  readonly ratio: number;
}

export interface CostReport {
  readonly prices: Prices;
  readonly originMs: number;
  readonly floors: Readonly<Record<CostCase['floor'], Cost>>;
  readonly cases: Readonly<Record<string, CostLine>>;
  /** Dollars a month for each isolate that has requests all the time. */
  readonly controlPerIsolateMonth: number;
}

export interface ReportOptions {
  readonly prices: Prices;
  /** CPU time of a Worker that forwards and does nothing else. */
  readonly proxyCpuMs: number;
  /** How long the origin took for an answer. */
  readonly originMs: number;
}

/** Prices what was measured. */
export function reportCosts(
  measured: readonly (Pick<CostCase, 'name' | 'title' | 'floor'> & Measured)[],
  { prices, proxyCpuMs, originMs }: ReportOptions,
): CostReport {
  const floors = {
    forwarding: priceOperations(forwardingFloor(proxyCpuMs), prices),
    counting: priceOperations(countingFloor(proxyCpuMs), prices),
  };
  const cases = measured.map(({ name, title, floor, alone, busy }) => {
    const price = (operations: Operations): Priced => {
      const cost = priceOperations(operations, prices);
      return { operations, cost, ratio: cost.total / floors[floor].total };
    };
    return [name, { title, floor, alone: price(alone), busy: price(busy) }] as const;
  });
  return {
    prices,
    originMs,
    floors,
    cases: Object.fromEntries(cases),
    controlPerIsolateMonth: priceControl(CONTROL_REFRESH_SECONDS, prices),
  };
}

const HEAD = ['A million of …', 'busy', '× floor', 'alone', 'object requests', 'rows written', 'object ms'];

/** The table, in Markdown: what the README shows. */
export function formatCosts({ prices, originMs, floors, cases, controlPerIsolateMonth }: CostReport): string {
  const floorRow = (title: string, cost: Cost) => [title, dollars(cost.total), '1', dollars(cost.total), '', '', ''];
  const rows = Object.values(cases).map(({ title, alone, busy }) => [
    title,
    dollars(busy.cost.total),
    String(round(busy.ratio, 2)),
    dollars(alone.cost.total),
    pair(busy.operations.objectRequests, alone.operations.objectRequests, 2),
    pair(busy.operations.rowsWritten, alone.operations.rowsWritten, 2),
    pair(busy.operations.objectSeconds * 1000, alone.operations.objectSeconds * 1000, 0),
  ]);
  const single = cases['single_use'];
  const lines = [
    HEAD,
    HEAD.map(() => '---'),
    ...rows,
    floorRow('*floor: forwarding*', floors.forwarding),
    floorRow('*floor: forwarding, one object asked, one row written*', floors.counting),
  ];
  return [
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `List prices of ${prices.asOf}, without the $${prices.planPerMonth} a month and what it includes. Busy: 32 requests at a time on one object;`,
    `alone: none within a second of another. "a / b": busy / alone. The origin takes ${originMs} ms.`,
    ...(single === undefined
      ? []
      : [`A million single calls leave ${Math.round(single.busy.operations.storedBytes)} MB on disk until their tokens have ended.`]),
    `Breakers and revocations cost each isolate that has requests all month ${dollars(controlPerIsolateMonth)} more.`,
  ].join('\n');
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}

function pair(busy: number, alone: number, digits: number): string {
  const [left, right] = [round(busy, digits), round(alone, digits)];
  return left === right ? String(left) : `${left} / ${right}`;
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
