/*
 * The objects that count what they cost, against rows that are known beforehand.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { DurableObject, env, RpcTarget } from 'cloudflare:workers';
import { expect, it } from 'vitest';
import { emptyUsage } from '#support/object-usage.ts';
import { meterObjects } from './metered-objects.ts';

const namespace = (env as unknown as { QUOTA: DurableObjectNamespace }).QUOTA;

class Lease extends RpcTarget {}

class Shop extends DurableObject {
  constructor(context: DurableObjectState, env: Cloudflare.Env) {
    super(context, env);
    context.storage.sql.exec('CREATE TABLE IF NOT EXISTS things (key INTEGER PRIMARY KEY) WITHOUT ROWID');
  }

  write(count: number): void {
    for (let key = 0; key < count; key++) this.ctx.storage.sql.exec('INSERT INTO things VALUES (?)', key);
  }

  readFirst(): unknown {
    const [row] = this.ctx.storage.sql.exec('SELECT key FROM things').raw();
    return row;
  }

  readAll(): number {
    return this.ctx.storage.sql.exec('SELECT key FROM things').toArray().length;
  }

  async wakeLater(): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now() + 3_600_000);
  }

  lend(): { lease: Lease } {
    return { lease: new Lease() };
  }

  override alarm(): void {
    this.write(0);
  }
}

it('an object that counts tells its rows, its alarms and its leases, and answers as it did', async () => {
  const usage = emptyUsage();
  const Metered = meterObjects(Shop, usage);
  const stub = namespace.get(namespace.idFromName('shop'));
  await runInDurableObject(stub, async (_, context) => {
    const shop = new Metered(context, env) as unknown as Shop;
    const { rowsWritten: tables } = usage;
    await shop.write(5);
    expect(usage.rowsWritten - tables).toBe(5);
    const { rowsRead: before } = usage;
    expect(await shop.readFirst()).toEqual([0]);
    const { rowsRead: afterOne } = usage;
    expect(afterOne - before).toBeLessThan(5);
    expect(await shop.readAll()).toBe(5);
    expect(usage.rowsRead - afterOne).toBe(5);
    await shop.wakeLater();
    expect(usage.rowsWritten - tables).toBe(6);
    await shop.alarm();
    expect(usage.alarms).toBe(1);
    const { lease } = await shop.lend();
    // Whoever holds the lease keeps the object awake until then.
    expect(typeof (lease as unknown as Disposable)[Symbol.dispose]).toBe('function');
    expect(usage.storedBytes).toBeGreaterThan(0);
  });
  // Put to sleep and woken up: what is on the disk is there once.
  const { storedBytes } = usage;
  await evictDurableObject(stub);
  await runInDurableObject(stub, async (_, context) => {
    expect(await (new Metered(context, env) as unknown as Shop).readAll()).toBe(5);
    // The object that this one stands in for may have written a page of its own.
    expect(usage.storedBytes - storedBytes).toBeLessThan(storedBytes / 2);
  });
});

it('a table that is dropped costs no rows, as many as it had; a row that is deleted costs one', async () => {
  await runInDurableObject(namespace.get(namespace.idFromName('pruning')), (_, { storage: { sql } }) => {
    const fill = () => {
      sql.exec('CREATE TABLE ended (key INTEGER PRIMARY KEY) WITHOUT ROWID');
      for (let key = 0; key < 100; key++) sql.exec('INSERT INTO ended VALUES (?)', key);
    };
    fill();
    expect(sql.exec('DROP TABLE ended').rowsWritten).toBe(0);
    fill();
    expect(sql.exec('DELETE FROM ended WHERE key < 50').rowsWritten).toBe(50);
  });
});
