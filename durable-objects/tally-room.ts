/*
 * The tallies of one lane of an object: of its clients, of the networks they are in, and of all together. What decides is in
 * quota-rules.ts; here are only which tallies an ask concerns, the bound on how many there are, and the challenges that a
 * client may be given again. Effects: the rows (kept-rows.ts).
 */
import { createHoldings, mustWait } from './crowd-rules.ts';
import { findRepeatable, forgetShown, rememberChallenge, type HandedChallenge } from './handed-rules.ts';
import { keepRows } from './kept-rows.ts';
import { type ReadyChallenge } from './pool-rules.ts';
import {
  askQuota,
  countChallenges,
  countReady,
  EMPTY_TALLY,
  giveBackChallenge,
  MINUTE_MS,
  weighTally,
  widenBounds,
  type ClientKey,
  type OpenChallenge,
  type PaidChallenge,
  type QuotaAnswer,
  type QuotaAsk,
  type QuotaBounds,
  type QuotaLevel,
  type Tally,
} from './quota-rules.ts';

export interface TallyAsk {
  readonly client: ClientKey;
  readonly ask: QuotaAsk;
  /** What one client gets. */
  readonly bounds: QuotaBounds;
  /** What all clients of this object get together. */
  readonly totals: QuotaBounds;
}

/** A challenge that was made for an ask of this client. */
export interface KeptChallenge extends HandedChallenge {
  readonly client: ClientKey;
}

export interface TallyRoom {
  /** Decides; `takeReady` is called once it is sure that the client gets a challenge, and may have one. */
  ask(order: TallyAsk, takeReady: () => ReadyChallenge | undefined, nowMs: number): QuotaAnswer;
  /** A challenge no longer counts; false when no tally of the client has it. */
  giveBack(paid: PaidChallenge): boolean;
  /** The same, whoever's it is. */
  giveBackAnywhere(paid: PaidChallenge): void;
  /** Remembers what a client was given, unless it has been given back since. */
  keep(challenge: KeptChallenge): void;
  sweep(nowMs: number): void;
  flush(): Promise<void>;
}

export interface TallyRoomOptions {
  readonly table: string;
  /** Clients and networks. */
  readonly mostTallies: number;
  /** What they all remember together. */
  readonly mostTallied: number;
}

/** The tally of the client, and of all clients, and what these may have together. */
interface Pressed extends Pick<TallyAsk, 'totals'> {
  readonly own: Tally;
  readonly total: Tally;
}

const TOTAL = 'total';
/**
 * For those who come when the table is full. A tally that still counts is never thrown away: that would give its owner a
 * fresh start. Latecomers share one, with the bounds of a large network; so they are served, and filling the table gains
 * no one more than that. They are not one client: none is given a challenge that another one has.
 */
const LATECOMERS = 'latecomers';

/** The tallies of a table. */
export function openTallies(storage: DurableObjectStorage, { table, mostTallies, mostTallied }: TallyRoomOptions): TallyRoom {
  const rows = keepRows<Tally>(storage, { weigh: weighTally, table });
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
    const own = tallyNames(client);
    const isFull = () => rows.size + own.length > mostTallies || rows.weight >= mostTallied;
    if (own.every((name) => rows.get(name) !== undefined) || !isFull()) return [...own, TOTAL];
    rows.sweep(nowMs);
    return isFull() ? [LATECOMERS, TOTAL] : [...own, TOTAL];
  };
  const giveBackFrom = (names: Iterable<string>, paid: PaidChallenge): boolean => {
    let isKnown = false;
    for (const name of names) {
      const tally = rows.get(name);
      const changed = tally === undefined ? undefined : giveBackChallenge(tally, paid);
      if (tally === undefined || changed === undefined) continue;
      const challenge = tally.challenges.find(({ id }) => id === paid.challengeId);
      if (tally.crowd !== undefined && challenge !== undefined) {
        held.open.remove(tally.crowd, challenge.endsAtMs);
        if (paid.wasMade !== false) held.recent.remove(tally.crowd, challenge.atMs + MINUTE_MS);
      }
      isKnown = true;
      rows.set(name, changed);
    }
    return isKnown;
  };

  const remember = (name: string, challenge: HandedChallenge) => {
    const tally = rows.get(name)!;
    rows.set(name, { ...tally, handed: rememberChallenge(tally.handed ?? [], challenge) });
  };
  const forget = (name: string, paymentHashes: readonly string[]) => {
    const tally = rows.get(name);
    const handed = forgetShown(tally?.handed ?? [], paymentHashes);
    if (tally !== undefined && handed.length < (tally.handed?.length ?? 0)) rows.set(name, { ...tally, handed });
  };

  return {
    ask({ client, ask, bounds, totals }, takeReady, nowMs) {
      const { offer, shown } = ask;
      const names = namesOf(client, nowMs);
      // Latecomers are many.
      const remembers = offer?.repeats === true && names[0] !== LATECOMERS;
      if (shown !== undefined && shown.length > 0) forget(names[0]!, shown);
      const levels = names.map((name): QuotaLevel => {
        const tally = rows.get(name) ?? EMPTY_TALLY;
        return { tally, bounds: name === TOTAL ? totals : name.startsWith('client ') ? bounds : widenBounds(bounds) };
      });
      const pressed = { own: names[0] === LATECOMERS ? EMPTY_TALLY : levels[0]!.tally, total: levels.at(-1)!.tally, totals };
      const crowded = isCrowded(client, pressed, nowMs);
      const { answer, tallies = [], repeatTallies, challenge } = askQuota(levels, { ...ask, isCrowded: crowded }, nowMs);
      const write = (changed: readonly Tally[]) => {
        for (const [index, tally] of changed.entries()) {
          const isOwn = index === 0 && names[0] !== LATECOMERS && client.crowd !== undefined;
          rows.set(names[index]!, isOwn ? { ...tally, crowd: client.crowd } : tally);
        }
      };
      if (answer.kind === 'challenge' && challenge !== undefined) {
        const item = takeReady();
        note(client.crowd ?? [], item === undefined ? challenge : { ...challenge, endsAtMs: item.endsAtMs });
        if (item === undefined) {
          write(tallies);
          return answer;
        }
        write(tallies.map((tally) => countReady(tally, challenge, item)));
        if (remembers) remember(names[0]!, { offer: offer.key, item });
        return { ...answer, item };
      }
      if (repeatTallies !== undefined && remembers && shown !== undefined) {
        const item = findRepeatable(levels[0]!.tally.handed ?? [], offer, nowMs);
        if (item !== undefined) {
          // It is one more request, where those are counted, and no new challenge.
          if (bounds.requests !== undefined) write(repeatTallies);
          return { kind: 'challenge', readings: answer.readings, item, isRepeated: true };
        }
      }
      write(tallies);
      const handed = remembers && answer.kind === 'refused' ? (rows.get(names[0]!)?.handed ?? []) : [];
      return handed.length === 0 ? answer : { ...answer, held: [...new Set(handed.map((challenge) => challenge.offer))] };
    },
    giveBack: (paid) => giveBackFrom([...tallyNames(paid.client), LATECOMERS, TOTAL], paid),
    giveBackAnywhere: (paid) => void giveBackFrom([...rows.keys()], paid),
    keep({ client, offer, item }) {
      const [name] = tallyNames(client);
      if (rows.get(name!)?.challenges.some(({ id }) => id === item.id) === true) remember(name!, { offer, item });
    },
    sweep: (nowMs) => rows.sweep(nowMs),
    flush: () => rows.flush(),
  };
}

function tallyNames({ key, group }: ClientKey): readonly string[] {
  return group === undefined ? [`client ${key}`] : [`client ${key}`, `group ${group}`];
}
