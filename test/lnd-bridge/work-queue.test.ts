/*
 * Work ends with its caller (M34): the queue before a node on a clock of the test's, and a batch that answers with what it has.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createWorkQueue, type Caller } from '#lnd-bridge/work-queue.ts';

/** A node that takes so long for each task, so many at once, on a clock that goes on only when the test says so. */
function simulate({ taskMs, concurrency, capacity = 256 }: { taskMs: number; concurrency: number; capacity?: number }) {
  const state = { nowMs: 0, done: 0 };
  const timers: { readonly atMs: number; readonly fire: () => void }[] = [];
  const queue = createWorkQueue({ concurrency, capacity, nowMs: () => state.nowMs });
  const task = (atMs: number[]) => () =>
    new Promise<void>((resolve) => {
      timers.push({
        atMs: state.nowMs + taskMs,
        fire: () => {
          state.done += 1;
          atMs.push(state.nowMs);
          resolve();
        },
      });
    });
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  /** Lets time go by, task by task. */
  const passUntil = async (untilMs: number) => {
    for (;;) {
      await settle();
      const first = timers.toSorted((left, right) => left.atMs - right.atMs)[0];
      if (first === undefined || first.atMs > untilMs) break;
      timers.splice(timers.indexOf(first), 1);
      state.nowMs = first.atMs;
      first.fire();
    }
    state.nowMs = untilMs;
  };
  return { state, queue, task, settle, passUntil };
}

const caller = (more: Partial<Caller> = {}): Caller => ({ waiting: 'client', deadlineMs: Infinity, isGone: () => false, ...more });

describe('the queue before a node', () => {
  test('M34: never begins a task for a caller who has gone', async () => {
    const { state, queue, task, passUntil } = simulate({ taskMs: 100, concurrency: 1 });
    let isGone = false;
    const first = queue.run(task([]), caller());
    const second = queue.run(task([]), caller({ isGone: () => isGone }));
    const third = queue.run(task([]), caller());
    isGone = true;
    await passUntil(1000);
    expect([(await first).ok, await second, (await third).ok, state.done]).toEqual([true, { ok: false, refusal: 'late' }, true, 2]);
  });

  test('M34: does those that a client waits for before those that nobody waits for yet', async () => {
    const { queue, task, passUntil } = simulate({ taskMs: 100, concurrency: 1 });
    const [busy, batch, client]: number[][] = [[], [], []];
    void queue.run(task(busy!), caller());
    void queue.run(task(batch!), caller({ waiting: 'nobody' }));
    void queue.run(task(client!), caller());
    await passUntil(1000);
    expect([busy, client, batch]).toEqual([[100], [200], [300]]);
  });

  test('M34: works again after an outage in which each task took longer than anyone waits', async () => {
    const outage = simulate({ taskMs: 20_000, concurrency: 2 });
    void outage.queue.run(outage.task([]), caller());
    await outage.passUntil(30_000);
    const at: number[] = [];
    const asked = outage.queue.run(outage.task(at), caller({ deadlineMs: outage.state.nowMs + 9000 }));
    await outage.passUntil(60_000);
    expect((await asked).ok).toBe(true);
  });

  test.each([1, 3, 10])('M34: at %i times what a node can do, nearly all that it does is done in time', async (load) => {
    const [taskMs, concurrency, waitMs] = [800, 16, 9000];
    const ratePerSecond = (concurrency * 1000) / taskMs;
    const { state, queue, task, passUntil, settle } = simulate({ taskMs, concurrency });
    const outcomes: { readonly deadlineMs: number; readonly at: number[] }[] = [];
    const seconds = 60;
    for (let asked = 0; asked < seconds * ratePerSecond * load; asked++) {
      await passUntil((asked * 1000) / (ratePerSecond * load));
      const one = { deadlineMs: state.nowMs + waitMs, at: [] as number[] };
      outcomes.push(one);
      void queue.run(task(one.at), caller({ deadlineMs: one.deadlineMs }));
      await settle();
    }
    await passUntil(state.nowMs + 2 * waitMs);
    const inTime = outcomes.filter(({ deadlineMs, at: [doneMs] }) => doneMs !== undefined && doneMs <= deadlineMs).length;
    expect(inTime).toBeGreaterThanOrEqual(0.9 * seconds * ratePerSecond);
    expect(inTime).toBe(state.done);
  });

  test('M34: loses no place, whoever goes and however late it gets', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ waitMs: fc.nat(500), goesMs: fc.nat(900), client: fc.boolean() }), { maxLength: 40 }),
        async (asks) => {
          const { state, queue, task, passUntil } = simulate({ taskMs: 100, concurrency: 2, capacity: 10 });
          const runs = asks.map(({ waitMs, goesMs, client }) =>
            queue.run(
              task([]),
              caller({ waiting: client ? 'client' : 'nobody', deadlineMs: state.nowMs + waitMs, isGone: () => state.nowMs > goesMs }),
            ),
          );
          await passUntil(10_000);
          await Promise.all(runs);
          expect([queue.running, queue.waiting]).toEqual([0, 0]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
