/*
 * Whether a payment that its preimage does not prove has been made (M24). At the first use, the pushed settlements are asked,
 * if there is a feed, and then the node. This file remembers settled invoices (for passes; the claim remembers counted
 * payments) and, for a few seconds, unsettled ones. Look-ups that find no payment are limited per isolate. Effects: memory,
 * the settlements and the node behind their ports.
 */
import { formatHex } from '#protocol/bytes.ts';
import { noteFault } from '../answers/fault.ts';
import { type Clock, type Lightning, type Log, type Settlements } from '../../ports.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';

export interface UnprovedPayment {
  readonly paymentHash: Uint8Array;
  /** The client whose look-ups are counted. */
  readonly client: string;
}

/** Returns why the payment is not good, or not yet; `undefined` if it has been made. */
export type ProveSettled = (
  payment: UnprovedPayment,
  deps: {
    readonly lightning: Lightning;
    /** `undefined`: there is no feed, so the node is asked. */
    readonly settlements?: Settlements | undefined;
    readonly clock: Clock;
    readonly log: Log;
  },
) => Promise<GatewayRefusal | undefined>;

/** How long an unsettled invoice is not asked about again. */
export const UNSETTLED_KEPT_MS = 5000;
/** Look-ups are counted in windows of this length. One that finds the payment settled stops counting once it is answered. */
export const LOOK_UP_WINDOW_MS = 10_000;
export const MOST_LOOK_UPS_OF_CLIENT = 20;
export const MOST_LOOK_UPS = 500;
/** Most payments remembered, settled or not. */
const MOST_KEPT = 4096;
/** No client has this name. */
const ALL = '';

const again = (code: 'invoice_unsettled' | 'settlement_unknown', detail: string): GatewayRefusal => ({
  code,
  detail,
  retryAfterSeconds: 5,
});
const OPEN = again('invoice_unsettled', 'the node has not seen the payment of this invoice');
const UNKNOWN = again('settlement_unknown', 'the node cannot be asked whether this payment was made');
const CROWDED = again('settlement_unknown', 'too many payments that were not made are being looked up');
const GONE: GatewayRefusal = { code: 'invoice_gone', detail: 'the invoice of this token has ended without a payment' };

/** Creates an empty memory. */
export function createSettlement(): ProveSettled {
  const settled = new Map<string, true>();
  const unsettled = new Map<string, { readonly refusal: GatewayRefusal; readonly untilMs: number }>();
  let window = { startMs: -Infinity, counts: new Map<string, number>() };

  return async ({ paymentHash, client }, { lightning, settlements, clock, log }) => {
    const name = formatHex(paymentHash);
    if (settled.has(name)) return undefined;
    const nowMs = clock();
    const known = unsettled.get(name);
    if (known !== undefined && nowMs < known.untilMs) return known.refusal;
    try {
      if (settlements !== undefined && (await settlements.isSettled(name))) {
        keep(settled, name, true);
        return undefined;
      }
    } catch (error) {
      // The node can still be asked.
      noteFault(log, { at: 'settlements.isSettled', error });
    }
    if (nowMs - window.startMs >= LOOK_UP_WINDOW_MS) window = { startMs: nowMs, counts: new Map() };
    const { counts } = window;
    const count = (by: 1 | -1) => {
      for (const key of [client, ALL]) {
        const sum = (counts.get(key) ?? 0) + by;
        // Otherwise the names of paying clients would pile up.
        if (sum === 0) counts.delete(key);
        else counts.set(key, sum);
      }
    };
    if ((counts.get(client) ?? 0) >= MOST_LOOK_UPS_OF_CLIENT || (counts.get(ALL) ?? 0) >= MOST_LOOK_UPS) return CROWDED;
    count(1);
    try {
      const state = await lightning.lookUp(paymentHash);
      if (state === 'settled') {
        count(-1);
        keep(settled, name, true);
        return undefined;
      }
      const refusal = state === 'open' ? OPEN : GONE;
      keep(unsettled, name, { refusal, untilMs: clock() + UNSETTLED_KEPT_MS });
      return refusal;
    } catch (error) {
      noteFault(log, { at: 'lightning.lookUp', error });
      return UNKNOWN;
    }
  };
}

/** Stores a value; the oldest is dropped first. */
function keep<Value>(memory: Map<string, Value>, name: string, value: Value): void {
  memory.delete(name);
  if (memory.size >= MOST_KEPT) memory.delete(memory.keys().next().value!);
  memory.set(name, value);
}
