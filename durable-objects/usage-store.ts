/*
 * The usages of one traffic class in an object: of its clients, of their networks, and of all together. quota-rules.ts and
 * usage-rules.ts decide; this file knows which usages an ask concerns, and limits how many there are. Effects: the rows
 * (kept-rows.ts).
 */
import { type IssuedChallenge } from './issued-rules.ts';
import { keepRows } from './kept-rows.ts';
import { type ReadyChallenge } from './pool-rules.ts';
import {
  askQuota,
  giveBackChallenge,
  NO_USAGE,
  weighUsage,
  widenBounds,
  type ClientKey,
  type PaidChallenge,
  type QuotaAnswer,
  type QuotaAsk,
  type QuotaBounds,
  type Usage,
} from './quota-rules.ts';
import { countCrowds } from './usage-crowds.ts';
import { concludeAsk, forgetPresented, rememberIssued } from './usage-rules.ts';

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
  const crowds = countCrowds(Array.from(rows.keys(), (name) => rows.get(name)!));

  /** Names the usages that an ask concerns: the client's own first, that of all clients last. */
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
      crowds.giveBack(usage, paid);
      isKnown = true;
      rows.set(name, changed);
    }
    return isKnown;
  };
  const forget = (name: string, paymentHashes: readonly string[]) => {
    const usage = rows.get(name);
    const changed = usage === undefined ? undefined : forgetPresented(usage, paymentHashes);
    if (changed !== undefined) rows.set(name, changed);
  };

  return {
    ask(order, takeReady, nowMs) {
      const { client, ask, totals } = order;
      const names = namesOf(client, nowMs);
      const isShared = names[0] === OVERFLOW;
      if (ask.presented !== undefined) forget(names[0]!, ask.presented);
      const levels = names.map((name) => ({ usage: rows.get(name) ?? NO_USAGE, bounds: boundsOf(name, order) }));
      const own = levels[0]!;
      const pressed = { own: isShared ? NO_USAGE : own.usage, total: levels.at(-1)!.usage, totals };
      const isCrowded = crowds.isCrowded(client, pressed, nowMs);
      const decision = askQuota(levels, { ...ask, isCrowded }, nowMs);
      const { challenge } = decision;
      const ready = challenge === undefined ? undefined : takeReady();
      if (challenge !== undefined) crowds.add(client, { ...challenge, endsAtMs: ready?.endsAtMs ?? challenge.endsAtMs });
      const repeatable = ask.offer?.repeats === true && !isShared ? ask.offer : undefined;
      const { answer, usages } = concludeAsk(decision, { own, repeatable, presented: ask.presented, ready }, nowMs);
      for (const [index, usage] of usages.entries()) rows.set(names[index]!, index === 0 && !isShared ? ownedBy(client, usage) : usage);
      return answer;
    },
    giveBack: (paid) => giveBackFrom([...usageNames(paid.client), OVERFLOW, TOTAL], paid),
    giveBackAnywhere: (paid) => void giveBackFrom([...rows.keys()], paid),
    keep({ client, offer, item }) {
      const [name] = usageNames(client);
      const usage = rows.get(name!);
      if (usage?.challenges.some(({ id }) => id === item.id) === true) rows.set(name!, rememberIssued(usage, { offer, item }));
    },
    sweep: (nowMs) => rows.sweep(nowMs),
    flush: () => rows.flush(),
  };
}

function usageNames({ key, group }: ClientKey): readonly string[] {
  return group === undefined ? [`client ${key}`] : [`client ${key}`, `group ${group}`];
}

/** Returns the usage with the network and the area of its client. */
function ownedBy({ crowd }: ClientKey, usage: Usage): Usage {
  return crowd === undefined ? usage : { ...usage, crowd };
}

function boundsOf(name: string, { bounds, totals }: UsageAsk): QuotaBounds {
  if (name === TOTAL) return totals;
  return name.startsWith('client ') ? bounds : widenBounds(bounds);
}
