/*
 * What changes rarely, message by message, with the time passed in.
 */
import { describe, expect, it } from 'vitest';
import { type BreakerSettings, type OriginOutcome } from '#durable-objects/breaker-rules.ts';
import {
  countReports,
  EMPTY_CONTROL,
  LONGEST_REVOCATION_SECONDS,
  MAINTENANCE_MEMORY_SECONDS,
  MOST_MAINTENANCES,
  MOST_ORIGINS,
  MOST_REVOCATIONS,
  revoke,
  setMaintenance,
  takeSnapshot,
  type ControlState,
  type MaintenanceOrder,
  type Revoked,
} from '#durable-objects/control-rules.ts';

const SETTINGS: BreakerSettings = {
  windowMs: 60_000,
  failuresInARow: 3,
  failureRatio: 0.5,
  slowRatio: 0.8,
  leastVoters: 10,
  openMs: 10_000,
  longestOpenMs: 60_000,
};
const IDENTIFIER = 'ab'.repeat(66);
const token = (index: number): Revoked => ({ kind: 'token', identifierHex: index.toString(16).padStart(132, '0') });

function revokeAll(revoked: readonly Revoked[], { endsAtSeconds = 1000, nowSeconds = 0, from = EMPTY_CONTROL } = {}): ControlState {
  return revoked.reduce((state, one) => revoke(state, { revoked: one, endsAtSeconds }, nowSeconds).state, from);
}
function maintain(orders: readonly (MaintenanceOrder & { readonly at: number })[], from = EMPTY_CONTROL): ControlState {
  return orders.reduce((state, { at, ...order }) => setMaintenance(state, order, at).state, from);
}
function report(origin: string, outcomes: readonly OriginOutcome[], from = EMPTY_CONTROL): ControlState {
  const votes = outcomes.map((outcome, index) => ({ outcome, voters: [`p${index}`, `c${index}`] }));
  return countReports(from, [{ origin, settings: SETTINGS, votes }], 0);
}

describe('a revocation', () => {
  it('M30: names a whole identifier, an epoch of a key, or a key, and stands in the snapshot until its end', () => {
    const all: readonly Revoked[] = [
      { kind: 'token', identifierHex: IDENTIFIER },
      { kind: 'epoch', keyId: 1, startHours: 168 },
      { kind: 'key', keyId: 2 },
    ];
    const state = revokeAll(all);
    expect(takeSnapshot(state, 999).revocations.map(({ revoked }) => revoked)).toEqual(all);
    expect(takeSnapshot(state, 1000).revocations).toEqual([]);
  });

  it.each<Revoked>([
    { kind: 'token', identifierHex: IDENTIFIER.slice(2) },
    { kind: 'token', identifierHex: IDENTIFIER.toUpperCase() },
    { kind: 'epoch', keyId: 1, startHours: -1 },
    { kind: 'epoch', keyId: 256, startHours: 1 },
    { kind: 'key', keyId: 1.5 },
    { kind: 'shop' } as unknown as Revoked,
  ])('M30: of something else is not recorded: %o', (revoked) => {
    expect(revoke(EMPTY_CONTROL, { revoked, endsAtSeconds: 10 }, 0)).toEqual({ answer: 'malformed', state: EMPTY_CONTROL });
  });

  it('M30: has an end, neither past nor beyond the life of any key', () => {
    const ends = (endsAtSeconds: number) => revoke(EMPTY_CONTROL, { revoked: { kind: 'key', keyId: 1 }, endsAtSeconds }, 500).answer;
    expect([500, 501, 500 + LONGEST_REVOCATION_SECONDS, 501 + LONGEST_REVOCATION_SECONDS].map(ends)).toEqual([
      'malformed',
      'recorded',
      'recorded',
      'malformed',
    ]);
  });

  it('M30: is never pushed out by others: a full list says so, until one of them has ended', () => {
    const full = revokeAll(Array.from({ length: MOST_REVOCATIONS }, (_, index) => token(index)));
    expect(revoke(full, { revoked: { kind: 'key', keyId: 1 }, endsAtSeconds: 2000 }, 0)).toEqual({ answer: 'full', state: full });
    expect(revoke(full, { revoked: token(0), endsAtSeconds: 2000 }, 0).answer).toBe('recorded');
    expect(revoke(full, { revoked: { kind: 'key', keyId: 1 }, endsAtSeconds: 2000 }, 1000).answer).toBe('recorded');
  });

  it('M30: is known again when the clock is set back: what has ended is forgotten only where its place is needed', () => {
    const state = revokeAll([{ kind: 'key', keyId: 1 }], { endsAtSeconds: 5000, from: revokeAll([token(1)]), nowSeconds: 2000 });
    expect(takeSnapshot(state, 2000).revocations).toHaveLength(1);
    expect(takeSnapshot(state, 999).revocations).toHaveLength(2);
  });

  it('is never cut short by saying it again', () => {
    const state = revokeAll([token(1)], { endsAtSeconds: 500, from: revokeAll([token(1)]) });
    expect(state.revocations).toEqual([{ revoked: token(1), endsAtSeconds: 1000 }]);
    expect(state.version).toBe(1);
    expect(revokeAll([token(1)], { endsAtSeconds: 1500, from: state }).revocations).toEqual([{ revoked: token(1), endsAtSeconds: 1500 }]);
  });
});

describe('a maintenance', () => {
  it('begins and ends by order', () => {
    const on = maintain([{ at: 100, route: '*', isOn: true }]);
    expect(takeSnapshot(on, 200).maintenances).toEqual([{ route: '*', fromSeconds: 100, extendsPasses: false }]);
    expect(takeSnapshot(maintain([{ at: 200, route: '*', isOn: false }], on), 200).maintenances).toEqual([]);
  });

  it('that extends passes is remembered with its end, for as long as that may matter', () => {
    const ended = maintain([
      { at: 100, route: 'GET /a', isOn: true, extendsPasses: true },
      { at: 200, route: 'GET /a', isOn: false },
    ]);
    const expected = [{ route: 'GET /a', fromSeconds: 100, untilSeconds: 200, extendsPasses: true }];
    expect(takeSnapshot(ended, 199 + MAINTENANCE_MEMORY_SECONDS).maintenances).toEqual(expected);
    expect(takeSnapshot(ended, 200 + MAINTENANCE_MEMORY_SECONDS).maintenances).toEqual([]);
  });

  it('ordered again while under way keeps its beginning and takes the new end', () => {
    const state = maintain([
      { at: 100, route: '*', isOn: true },
      { at: 150, route: '*', isOn: true, untilSeconds: 300, extendsPasses: true },
    ]);
    expect(state.maintenances).toEqual([{ route: '*', fromSeconds: 100, untilSeconds: 300, extendsPasses: true }]);
  });

  it('of one route leaves others alone, and ending what has not begun changes nothing', () => {
    const one = maintain([{ at: 1, route: 'a', isOn: true }]);
    expect(setMaintenance(one, { route: 'b', isOn: false }, 2)).toEqual({ answer: 'recorded', state: one });
    expect(maintain([{ at: 2, route: 'b', isOn: true }], one).maintenances).toHaveLength(2);
  });

  it('must make sense, and there is a bounded number', () => {
    expect(setMaintenance(EMPTY_CONTROL, { route: '', isOn: true }, 0).answer).toBe('malformed');
    expect(setMaintenance(EMPTY_CONTROL, { route: '*', isOn: true, untilSeconds: 5 }, 5).answer).toBe('malformed');
    const full = maintain(Array.from({ length: MOST_MAINTENANCES }, (_, index) => ({ at: 0, route: `r${index}`, isOn: true })));
    expect(setMaintenance(full, { route: '*', isOn: true }, 0).answer).toBe('full');
    expect(setMaintenance(full, { route: 'r0', isOn: false }, 0).answer).toBe('recorded');
  });
});

describe('reports', () => {
  it('M12: open the breaker of their origin and of no other', () => {
    const state = report('http://b', ['ok', 'failed'], report('http://a', ['failed', 'failed', 'failed']));
    expect(takeSnapshot(state, 0).breakers).toEqual([{ origin: 'http://a', openUntilMs: 10_000 }]);
  });

  it('make a new version only when a snapshot shows something else', () => {
    const quiet = report('http://a', ['ok', 'failed', 'failed']);
    expect(quiet.version).toBe(0);
    expect(report('http://a', ['failed', 'failed', 'failed'], quiet).version).toBe(1);
  });

  it('are kept of a bounded number of origins, and those that are down stay among them', () => {
    let state = report('http://down', ['failed', 'failed', 'failed']);
    for (let index = 0; index < MOST_ORIGINS + 5; index++) state = report(`http://${index}`, ['ok'], state);
    expect(state.breakers.size).toBe(MOST_ORIGINS);
    expect(takeSnapshot(state, 0).breakers.map(({ origin }) => origin)).toEqual(['http://down']);
  });
});
