/*
 * Counters of one process, as Prometheus text: invoices made, failures by reason, mint times, refusals, and queue lengths.
 * Every label comes from a fixed set or from the settings, so the text stays small. Effects: memory.
 */

export interface NodeGauges {
  readonly name: string;
  readonly waiting: number;
  readonly running: number;
  readonly isBreakerOpen: boolean;
}

export interface Metrics {
  countMint(node: string, tookMs: number): void;
  countFailure(failure: { readonly node: string; readonly operation: 'mint' | 'look_up'; readonly reason: string }): void;
  countRefusal(code: string): void;
  countLostAnswers(invoices: number): void;
  /** Payments that the gateway has accepted; the lag is that of the latest. */
  countPush(node: string, push: { readonly payments: number; readonly index: number; readonly lagSeconds: number }): void;
  countPushFailure(failure: { readonly node: string; readonly reason: string }): void;
  /** Formats the whole text, with the current queues. */
  format(gauges: readonly NodeGauges[]): string;
}

/** Upper bounds in seconds: from an in-process node to the longest usual time limit. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

interface Counters {
  /** By node. */
  readonly mints: Map<string, Histogram>;
  /** By labels, as are those below. */
  readonly failures: Map<string, number>;
  readonly refusals: Map<string, number>;
  readonly pushed: Map<string, number>;
  readonly indexes: Map<string, number>;
  readonly lags: Map<string, number>;
  readonly pushFailures: Map<string, number>;
  lost: number;
}

/** Creates counters at zero. */
export function createMetrics(): Metrics {
  const counters: Counters = {
    mints: new Map(),
    failures: new Map(),
    refusals: new Map(),
    pushed: new Map(),
    indexes: new Map(),
    lags: new Map(),
    pushFailures: new Map(),
    lost: 0,
  };
  return {
    countMint(node, tookMs) {
      const histogram = counters.mints.get(node) ?? { counts: BUCKETS.map(() => 0), sum: 0, count: 0 };
      counters.mints.set(node, histogram);
      observe(histogram, tookMs / 1000);
    },
    countFailure: ({ node, operation, reason }) => add(counters.failures, labels({ node, operation, reason })),
    countRefusal: (code) => add(counters.refusals, labels({ code })),
    countLostAnswers(invoices) {
      counters.lost += invoices;
    },
    countPush(node, { payments, index, lagSeconds }) {
      add(counters.pushed, labels({ node }), payments);
      counters.indexes.set(labels({ node }), index);
      counters.lags.set(labels({ node }), lagSeconds);
    },
    countPushFailure: ({ node, reason }) => add(counters.pushFailures, labels({ node, reason })),
    format: (gauges) => [...formatCounters(counters), ...formatGauges(gauges), ''].join('\n'),
  };
}

function formatCounters({ mints, failures, refusals, pushed, indexes, lags, pushFailures, lost }: Counters): string[] {
  const lines = (name: string, values: ReadonlyMap<string, number>): string[] =>
    [...values].map(([text, value]) => line(name, { labels: text, value }));
  return [
    ...family('mints_total', 'counter', 'Invoices made.'),
    ...[...mints].map(([node, { count }]) => line('mints_total', { labels: labels({ node }), value: count })),
    ...family('mint_seconds', 'histogram', 'Time from asking a node to a checked invoice.'),
    ...[...mints].flatMap(([node, histogram]) => formatHistogram(node, histogram)),
    ...family('node_failures_total', 'counter', 'Calls to a node that failed, by reason.'),
    ...lines('node_failures_total', failures),
    ...family('refused_total', 'counter', 'Requests refused, by code.'),
    ...lines('refused_total', refusals),
    ...family('lost_answers_total', 'counter', 'Invoices that were made but whose answer reached nobody.'),
    line('lost_answers_total', { labels: '', value: lost }),
    ...family('settlements_pushed_total', 'counter', 'Payments that the gateway was told of.'),
    ...lines('settlements_pushed_total', pushed),
    ...family('settlement_index', 'gauge', 'The number that the node gives the latest payment that was pushed.'),
    ...lines('settlement_index', indexes),
    ...family('settlement_lag_seconds', 'gauge', 'From the latest payment that was pushed to when the gateway had taken it.'),
    ...lines('settlement_lag_seconds', lags),
    ...family('feed_failures_total', 'counter', 'Times that a feed of payments broke off, by reason.'),
    ...lines('feed_failures_total', pushFailures),
  ];
}

function formatGauges(gauges: readonly NodeGauges[]): string[] {
  const named = gauges.map(({ name, ...gauge }) => ({ node: labels({ node: name }), ...gauge }));
  return [
    ...family('queue_depth', 'gauge', 'Calls that wait for a node.'),
    ...named.map(({ node, waiting }) => line('queue_depth', { labels: node, value: waiting })),
    ...family('calls_running', 'gauge', 'Calls that a node is working on.'),
    ...named.map(({ node, running }) => line('calls_running', { labels: node, value: running })),
    ...family('breaker_open', 'gauge', 'Whether a node is left alone at the moment.'),
    ...named.map(({ node, isBreakerOpen }) => line('breaker_open', { labels: node, value: isBreakerOpen ? 1 : 0 })),
  ];
}

const PREFIX = 'l402_bridge_';

function add(counters: Map<string, number>, key: string, by = 1): void {
  counters.set(key, (counters.get(key) ?? 0) + by);
}

function family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string[] {
  return [`# HELP ${PREFIX}${name} ${help}`, `# TYPE ${PREFIX}${name} ${type}`];
}

function line(name: string, { labels: text, value }: { labels: string; value: number }): string {
  return `${PREFIX}${name}${text} ${value}`;
}

function labels(values: Readonly<Record<string, string>>): string {
  return `{${Object.entries(values)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')}}`;
}

function observe(histogram: Histogram, seconds: number): void {
  histogram.sum += seconds;
  histogram.count += 1;
  BUCKETS.forEach((bound, index) => {
    if (seconds <= bound) histogram.counts[index]! += 1;
  });
}

function formatHistogram(node: string, { counts, sum, count }: Histogram): string[] {
  const bucket = (le: string, value: number): string => line('mint_seconds_bucket', { labels: labels({ node, le }), value });
  return [
    ...BUCKETS.map((bound, index) => bucket(String(bound), counts[index]!)),
    bucket('+Inf', count),
    line('mint_seconds_sum', { labels: labels({ node }), value: sum }),
    line('mint_seconds_count', { labels: labels({ node }), value: count }),
  ];
}
