/*
 * Durable Object classes that tell what is billed of them: rows as the storage's own cursors count them, alarms, and the time
 * for which calls, leases and timers keep an object awake. Calls are counted by the caller (object-calls.ts): in here an
 * object's calls of itself cannot be told apart. The product's classes are wrapped, not changed. Effects: what the class does;
 * the usage count.
 */
import { type DurableObject } from 'cloudflare:workers';
import { type ObjectUsage } from '#support/object-usage.ts';

type ObjectClass<Shipped extends DurableObject> = new (context: DurableObjectState, env: Cloudflare.Env) => Shipped;
type Method = (...values: unknown[]) => unknown;

/** An object that did nothing for so long has been put to sleep: what comes later was no timer of the last call. */
const ASLEEP_AFTER_MS = 10_000;

/** The class, wrapped: all its objects write into one usage count. */
export function meterObjects<Shipped extends DurableObject>(
  Shipped: ObjectClass<Shipped>,
  usage: ObjectUsage,
): new (context: DurableObjectState, env: Cloudflare.Env) => DurableObject {
  // The compiler wants `any` of a class that another is made from by a variable; this says as much without it.
  const Base = Shipped as unknown as new (context: DurableObjectState, env: Cloudflare.Env) => DurableObject;
  // An object that was put to sleep comes back as another instance, with the same disk.
  const sizes = new Map<string, number>();
  class Metered extends Base {
    readonly activity: Activity;

    constructor(context: DurableObjectState, env: Cloudflare.Env) {
      const activity = createActivity(usage);
      const measureSize = () => {
        const id = context.id.toString();
        const { databaseSize } = context.storage.sql;
        usage.storedBytes += databaseSize - (sizes.get(id) ?? 0);
        sizes.set(id, databaseSize);
      };
      meterStorage(context.storage, { usage, activity, measureSize });
      super(context, env);
      this.activity = activity;
    }
  }
  for (const name of Object.getOwnPropertyNames(Shipped.prototype)) {
    const method = (Shipped.prototype as unknown as Record<string, Method>)[name]!;
    if (name === 'constructor' || typeof method !== 'function') continue;
    Object.defineProperty(Metered.prototype, name, {
      async value(this: Metered, ...values: unknown[]) {
        if (name === 'alarm') usage.alarms += 1;
        const leave = this.activity.enter();
        let isLeased = false;
        try {
          const answer = await method.apply(this, values);
          const lease = (answer as { readonly lease?: object } | undefined)?.lease;
          isLeased = lease !== undefined;
          if (lease !== undefined) Object.defineProperty(lease, Symbol.dispose, { value: leave });
          return answer;
        } finally {
          if (!isLeased) leave();
        }
      },
    });
  }
  return Metered;
}

interface Activity {
  /** Something has begun; call what it returns when that ends. */
  enter(): () => void;
  /** The object did something of its own: if nothing else is under way, a timer has kept it awake until now. */
  touch(): void;
}

function createActivity(usage: ObjectUsage): Activity {
  let underWay = 0;
  let countedUntilMs = 0;
  const advance = () => {
    const nowMs = performance.now();
    usage.activeMs += nowMs - countedUntilMs;
    countedUntilMs = nowMs;
  };
  return {
    enter() {
      if (underWay === 0) countedUntilMs = performance.now();
      underWay += 1;
      let hasLeft = false;
      return () => {
        if (hasLeft) return;
        hasLeft = true;
        advance();
        underWay -= 1;
      };
    },
    touch() {
      if (countedUntilMs === 0 || performance.now() - countedUntilMs > ASLEEP_AFTER_MS) return;
      advance();
    },
  };
}

function meterStorage(
  storage: DurableObjectStorage,
  { usage, activity, measureSize }: { usage: ObjectUsage; activity: Activity; measureSize: () => void },
): void {
  const { sql } = storage;
  const exec = sql.exec.bind(sql) as Method;
  const setAlarm = storage.setAlarm.bind(storage) as Method;
  Object.defineProperty(sql, 'exec', {
    value: (...values: unknown[]) => {
      const cursor = exec(...values) as SqlStorageCursor<Record<string, SqlStorageValue>>;
      activity.touch();
      measureSize();
      return countRows(cursor, usage);
    },
  });
  Object.defineProperty(storage, 'setAlarm', {
    value: (...values: unknown[]) => {
      usage.rowsWritten += 1;
      return setAlarm(...values);
    },
  });
}

/** The same rows; a cursor counts as it is read, so the counts are taken whenever a reader has come to its end. */
function countRows(cursor: SqlStorageCursor<Record<string, SqlStorageValue>>, usage: ObjectUsage) {
  let read = 0;
  let written = 0;
  const count = () => {
    usage.rowsRead += cursor.rowsRead - read;
    usage.rowsWritten += cursor.rowsWritten - written;
    read = cursor.rowsRead;
    written = cursor.rowsWritten;
  };
  count();
  return {
    raw: () => counted(cursor.raw(), count),
    toArray: () => [...counted(cursor, count)],
    one: () => {
      const row = cursor.one();
      count();
      return row;
    },
    [Symbol.iterator]: () => counted(cursor, count),
  };
}

function* counted<Row>(rows: Iterable<Row>, count: () => void): IterableIterator<Row> {
  try {
    yield* rows;
  } finally {
    count();
  }
}
