/*
 * The usage counts of one traffic class of an object: of its clients, of the networks they are in, and of all together. What decides is in
 * quota-rules.ts; here are only which usage counts an ask concerns, the bound on how many there are, and the challenges that a
 * client may be given again. Effects: the rows (kept-rows.ts).
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
  /** What one client gets. */
  readonly bounds: QuotaBounds;
  /** What all clients of this object get together. */
  readonly totals: QuotaBounds;
}

/** A challenge that was made for an ask of this client. */
export interface KeptChallenge extends IssuedChallenge {
  readonly client: ClientKey;
}

export interface UsageStore {
  /** Decides; `takeReady` is called once it is sure that the client gets a challenge, and may have one. */
  ask(order: UsageAsk, takeReady: () => ReadyChallenge | undefined, nowMs: number): QuotaAnswer;
  /** A challenge no longer counts; false when no usage count of the client has it. */
  giveBack(paid: PaidChallenge): boolean;
  /** The same, whoever's it is. */
  giveBackAnywhere(paid: PaidChallenge): void;
  /** Remembers what a client was given, unless it has been given back since. */
  keep(challenge: KeptChallenge): void;
  sweep(nowMs: number): void;
  flush(): Promise<void>;
}

export interface UsageStoreOptions {
  readonly table: string;
  /** Clients and networks. */
  readonly mostUsages: number;
  /** What they all remember together. */
  readonly mostCounted: number;
}

/** The usage count of the client, and of all clients, and what these may have together. */
interface Pressed extends Pick<UsageAsk, 'totals'> {
  readonly own: Usage;
  readonly total: Usage;
}

const TOTAL = 'total';
/**
 * For those who come when the table is full. A usage count that still counts is never thrown away: that would give its owner a
 * fresh start. Latecomers share one, with the bounds of a large network; so they are served, and filling the table gains
 * no one more than that. They are not one client: none is given a challenge that another one has.
 */
const OVERFLOW = 'overflow';

/** The usage counts of a table. */
export function openUsageStore(storage: DurableObjectStorage, { table, mostUsages, mostCounted }: UsageStoreOptions): UsageStore {
  const rows = keepRows<Usage>(storage, { weigh: weighUsage, table });
  // In memory alone, from what is on disk: a row of their own for each network would double what a challenge costs.
  const held = { open: createHoldings(), recent: createHoldings() };
  const note = (crowd: readonly string[], { atMs, endsAtMs }: OpenChallenge) => {
    held.open.add(crowd, endsAtMs);
    held.recent.add(crowd, atMs + MINUTE_MS);
  };
  for (const name of rows.keys()) {
    const { crowd = [], challenges } = rows.get(name)!;
    for (const challenge of challenges) note(crowd, challenge);
  }

  /** Whether this client has to leave what is left of a total to others (M35). */
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
      // Latecomers are many.
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
          // It is one more request, where those are counted, and no new challenge.
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
