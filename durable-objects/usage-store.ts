/*
 * The usages of one traffic class in an object: of its clients, of their networks, and of all together. quota-rules.ts
 * decides; this file knows which usages an ask concerns, limits how many there are, and keeps the challenges that may be
 * issued again. Effects: the rows (kept-rows.ts).
 */
import { createHoldings, mustWait } from './crowd-rules.ts';
import { findRepeatable, forgetShown, rememberChallenge, type IssuedChallenge } from './issued-rules.ts';
import { keepRows } from './kept-rows.ts';
import { type ReadyChallenge } from './pool-rules.ts';
import {
  askQuota,
  countChallenges,
  countReady,
  NO_USAGE,
  giveBackChallenge,
  MINUTE_MS,
  weighUsage,
  widenBounds,
  type ClientKey,
  type OpenChallenge,
  type PaidChallenge,
  type QuotaAnswer,
  type QuotaAsk,
  type QuotaBounds,
  type QuotaLevel,
  type Usage,
} from './quota-rules.ts';

export interface UsageAsk {
  readonly client: ClientKey;
  readonly ask: QuotaAsk;
  /** The limits of one client. */
  readonly bounds: QuotaBounds;
  /** The limits of all clients of this object together. */
  readonly totals: QuotaBounds;
}

/** A challenge that was made for this client. */
export interface KeptChallenge extends IssuedChallenge {
  readonly client: ClientKey;
}

export interface UsageStore {
  /** Decides an ask. Calls `takeReady` only once the client is certain to get a challenge that may come from the pool. */
  ask(order: UsageAsk, takeReady: () => ReadyChallenge | undefined, nowMs: number): QuotaAnswer;
  /** Gives a challenge back; false if no usage of the client has it. */
  giveBack(paid: PaidChallenge): boolean;
  /** Gives a challenge back, whichever client has it. */
  giveBackAnywhere(paid: PaidChallenge): void;
  /** Remembers a challenge issued to a client, unless it was given back since. */
  keep(challenge: KeptChallenge): void;
  sweep(nowMs: number): void;
  flush(): Promise<void>;
}

export interface UsageStoreOptions {
  readonly table: string;
  /** Most clients and networks. */
  readonly mostUsages: number;
  /** The most that all of them may hold together. */
  readonly mostCounted: number;
}

/** The usage of the client, the usage of all clients, and the limits of the latter. */
interface Pressed extends Pick<UsageAsk, 'totals'> {
  readonly own: Usage;
  readonly total: Usage;
}

const TOTAL = 'total';
/**
 * Shared by the clients that come when the table is full. A live usage is never evicted: that would give its owner a fresh
 * start. The overflow has the limits of a large network, so these clients are served, and filling the table gains nobody more
 * than that. They are not one client: none is issued a challenge of another.
 */
const OVERFLOW = 'overflow';

/** Opens the usages of a table. */
export function openUsageStore(storage: DurableObjectStorage, { table, mostUsages, mostCounted }: UsageStoreOptions): UsageStore {
  const rows = keepRows<Usage>(storage, { weigh: weighUsage, table });
  // In memory only, rebuilt from the rows on disk: a stored row per network would double the cost of a challenge.
  const held = { open: createHoldings(), recent: createHoldings() };
  const note = (crowd: readonly string[], { atMs, endsAtMs }: OpenChallenge) => {
    held.open.add(crowd, endsAtMs);
    held.recent.add(crowd, atMs + MINUTE_MS);
  };
  for (const name of rows.keys()) {
    const { crowd = [], challenges } = rows.get(name)!;
    for (const challenge of challenges) note(crowd, challenge);
  }

  /** Whether this client must leave the remaining capacity to others (M35). */
  const isCrowded = ({ crowd = [] }: ClientKey, { own, total, totals }: Pressed, nowMs: number): boolean => {
    held.open.advance(nowMs);
    held.recent.advance(nowMs);
    const mine = countChallenges(own, nowMs);
    const all = countChallenges(total, nowMs);
    const { open, perMinute } = totals.challenges;
    const around = (of: typeof held.open) => crowd.map((name) => of.count(name));
    return (
      mustWait({ held: all.open, bound: open, own: mine.open, around: around(held.open) }) ||
      mustWait({ held: all.recent, bound: perMinute, own: mine.recent, around: around(held.recent) })
    );
  };

  const namesOf = (client: ClientKey, nowMs: number): readonly string[] => {
    const own = usageNames(client);
    const isFull = () => rows.size + own.length > mostUsages || rows.weight >= mostCounted;
    if (own.every((name) => rows.get(name) !== undefined) || !isFull()) return [...own, TOTAL];
    rows.sweep(nowMs);
    return isFull() ? [OVERFLOW, TOTAL] : [...own, TOTAL];
  };
  const giveBackFrom = (names: Iterable<string>, paid: PaidChallenge): boolean => {
    let isKnown = false;
    for (const name of names) {
      const usage = rows.get(name);
      const changed = usage === undefined ? undefined : giveBackChallenge(usage, paid);
      if (usage === undefined || changed === undefined) continue;
      const challenge = usage.challenges.find(({ id }) => id === paid.challengeId);
      if (usage.crowd !== undefined && challenge !== undefined) {
        held.open.remove(usage.crowd, challenge.endsAtMs);
        if (paid.wasMade !== false) held.recent.remove(usage.crowd, challenge.atMs + MINUTE_MS);
      }
      isKnown = true;
      rows.set(name, changed);
    }
    return isKnown;
  };

  const remember = (name: string, challenge: IssuedChallenge) => {
    const usage = rows.get(name)!;
    rows.set(name, { ...usage, issued: rememberChallenge(usage.issued ?? [], challenge) });
  };
  const forget = (name: string, paymentHashes: readonly string[]) => {
    const usage = rows.get(name);
    const issued = forgetShown(usage?.issued ?? [], paymentHashes);
    if (usage !== undefined && issued.length < (usage.issued?.length ?? 0)) rows.set(name, { ...usage, issued });
  };

  return {
    ask({ client, ask, bounds, totals }, takeReady, nowMs) {
      const { offer, presented } = ask;
      const names = namesOf(client, nowMs);
      // The overflow is shared by many clients.
      const remembers = offer?.repeats === true && names[0] !== OVERFLOW;
      if (presented !== undefined && presented.length > 0) forget(names[0]!, presented);
      const levels = names.map((name): QuotaLevel => {
        const usage = rows.get(name) ?? NO_USAGE;
        return { usage, bounds: name === TOTAL ? totals : name.startsWith('client ') ? bounds : widenBounds(bounds) };
      });
      const pressed = { own: names[0] === OVERFLOW ? NO_USAGE : levels[0]!.usage, total: levels.at(-1)!.usage, totals };
      const crowded = isCrowded(client, pressed, nowMs);
      const { answer, usages = [], repeatUsages, challenge } = askQuota(levels, { ...ask, isCrowded: crowded }, nowMs);
      const write = (changed: readonly Usage[]) => {
        for (const [index, usage] of changed.entries()) {
          const isOwn = index === 0 && names[0] !== OVERFLOW && client.crowd !== undefined;
          rows.set(names[index]!, isOwn ? { ...usage, crowd: client.crowd } : usage);
        }
      };
      if (answer.kind === 'challenge' && challenge !== undefined) {
        const item = takeReady();
        note(client.crowd ?? [], item === undefined ? challenge : { ...challenge, endsAtMs: item.endsAtMs });
        if (item === undefined) {
          write(usages);
          return answer;
        }
        write(usages.map((usage) => countReady(usage, challenge, item)));
        if (remembers) remember(names[0]!, { offer: offer.key, item });
        return { ...answer, item };
      }
      if (repeatUsages !== undefined && remembers && presented !== undefined) {
        const item = findRepeatable(levels[0]!.usage.issued ?? [], offer, nowMs);
        if (item !== undefined) {
          // Counts one more request, where requests are counted, and no new challenge.
          if (bounds.requests !== undefined) write(repeatUsages);
          return { kind: 'challenge', readings: answer.readings, item, isRepeated: true };
        }
      }
      write(usages);
      const issued = remembers && answer.kind === 'refused' ? (rows.get(names[0]!)?.issued ?? []) : [];
      return issued.length === 0 ? answer : { ...answer, held: [...new Set(issued.map((challenge) => challenge.offer))] };
    },
    giveBack: (paid) => giveBackFrom([...usageNames(paid.client), OVERFLOW, TOTAL], paid),
    giveBackAnywhere: (paid) => void giveBackFrom([...rows.keys()], paid),
    keep({ client, offer, item }) {
      const [name] = usageNames(client);
      if (rows.get(name!)?.challenges.some(({ id }) => id === item.id) === true) remember(name!, { offer, item });
    },
    sweep: (nowMs) => rows.sweep(nowMs),
    flush: () => rows.flush(),
  };
}

function usageNames({ key, group }: ClientKey): readonly string[] {
  return group === undefined ? [`client ${key}`] : [`client ${key}`, `group ${group}`];
}
