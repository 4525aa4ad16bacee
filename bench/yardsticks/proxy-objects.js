/*
 * The yardsticks with a Durable Object: the bare proxy and one object call before it, which answers from memory (/do) or
 * has one row on disk first, grouped with those that arrive beside it (/insert).
 */
import { DurableObject } from 'cloudflare:workers';

export class ReplaySet extends DurableObject {
  #waiting;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID');
  }

  ask() {
    return 1;
  }

  insert(key) {
    this.#waiting ??= this.#flush([]);
    this.#waiting.keys.push(key);
    return this.#waiting.done;
  }

  #flush(keys) {
    const done = scheduler.wait(0).then(() => {
      this.#waiting = undefined;
      this.ctx.storage.transactionSync(() => {
        for (const key of keys) this.ctx.storage.sql.exec('INSERT INTO rows VALUES (?, ?)', key, Date.now());
      });
      return keys.length;
    });
    return { keys, done };
  }
}

// The workerd configuration gives every gateway the same objects; only the first is used here.
export class Quota extends DurableObject {}
export class RateLimiter extends DurableObject {}
export class Control extends DurableObject {}
export class Settlements extends DurableObject {}

export default {
  async fetch(request, { ORIGIN_URL, REPLAY_SET }) {
    const { pathname, search } = new URL(request.url);
    const stub = REPLAY_SET.get(REPLAY_SET.idFromName('yardstick'));
    if (pathname === '/insert') await stub.insert(crypto.getRandomValues(new Uint8Array(32)).buffer);
    else await stub.ask();
    return fetch(`${ORIGIN_URL}${pathname}${search}`, request);
  },
};
