/* One replay set by itself, and rows for it by the million: what its rate depends on and what it does not. */
import { ReplaySet as ShippedReplaySet } from '#durable-objects/replay-set.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { Settlements } from '#durable-objects/settlements.ts';

const SECONDS_A_DAY = 86_400;
const LEASE_MS = 60_000;

export class ReplaySet extends ShippedReplaySet {
  /**
   * Rows of payments that were used once, and that end on this day, in a table like that of another day. Sorted, so that even
   * ten million come in minutes. The object knows of a new table when it has been started anew.
   */
  addRows({ rows, day, like }: { rows: number; day: number; like: number }): void {
    const { sql } = this.ctx.storage;
    const [form] = sql.exec<{ sql: string }>(`SELECT sql FROM sqlite_master WHERE name = 'payments_v3_${like}'`);
    sql.exec(form!.sql.replace(/^CREATE TABLE \S+/, `CREATE TABLE IF NOT EXISTS payments_v3_${day}`));
    sql.exec(
      `WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?),
         keys AS MATERIALIZED (SELECT randomblob(32) AS key, n FROM counted ORDER BY 1)
       INSERT INTO payments_v3_${day} SELECT key, 1, 0, 0, 0, 0, json_array(json_array(n, lower(hex(randomblob(16))), 1, ?, json_array())), '', 0 FROM keys`,
      rows,
      Date.now() + LEASE_MS,
    );
  }

  /** What the alarm does on the day after the rows have ended. */
  async prune(): Promise<void> {
    await this.alarm();
  }

  /** Ends the object; its next call starts it anew. */
  restart(): void {
    this.ctx.abort('restarted');
  }

  bytes(): number {
    return this.ctx.storage.sql.databaseSize;
  }
}

interface ShardEnv {
  readonly REPLAY_SET: DurableObjectNamespace<ReplaySet>;
}

const worker: ExportedHandler<ShardEnv> = {
  async fetch(request, { REPLAY_SET }, context) {
    const { pathname, searchParams } = new URL(request.url);
    const stub = REPLAY_SET.get(REPLAY_SET.idFromName(searchParams.get('name') ?? ''));
    const day = Number(searchParams.get('day') ?? Math.floor(Date.now() / 1000 / SECONDS_A_DAY) + 1);
    switch (pathname) {
      case '/use': {
        const session = await stub.reserve({
          paymentHash: crypto.getRandomValues(new Uint8Array(32)).buffer,
          reservationId: crypto.randomUUID().replaceAll('-', ''),
          leaseMs: LEASE_MS,
          endsAtSeconds: day * SECONDS_A_DAY,
          limit: 1,
          cost: 1,
          draws: [],
        });
        context.waitUntil(Promise.resolve(session.lease!.commit()).then(() => session[Symbol.dispose]()));
        return new Response(session.answer.kind, { status: session.answer.kind === 'granted' ? 200 : 500 });
      }
      case '/fill':
        await stub.addRows({ rows: Number(searchParams.get('rows')), day, like: Number(searchParams.get('like')) });
        return new Response('filled');
      case '/restart':
        await stub.restart().catch(() => undefined);
        return new Response('restarted');
      case '/prune':
        await stub.prune();
        return new Response('pruned');
      case '/bytes':
        return new Response(String(await stub.bytes()));
      default:
        return new Response('no such page', { status: 404 });
    }
  },
};

export default worker;
