/*
 * What the driver of the kill test has bought: payments of every counted kind with tokens that holders have narrowed,
 * each with the accounts that a call with it draws on.
 */
import { attenuate } from '#client/attenuate.ts';
import { msat } from '#protocol/msat.ts';
import { makeToken } from '#support/tokens.ts';
import { type Chance } from './seed.ts';
import { type Account, type Ledger } from './ledger.ts';
import { CALLS_SOLD, CHEAP_SATS, CREDIT_SATS, DEAR_SATS } from './shop.ts';

/** A token, and every account that its calls draw on; the payment is the first. */
export interface Holder {
  readonly authorization: string;
  readonly accounts: readonly Account[];
}

/** What can be asked for with a payment. */
export interface Ware {
  readonly path: string;
  readonly cost: number;
}

export interface Sale {
  readonly place: string;
  /** The cheapest first. */
  readonly wares: readonly Ware[];
  /** The holder of the token as it was sold, then those it was handed on to. */
  readonly holders: readonly Holder[];
  /** Calls on a failing path that may still be made: three in a row would cool the payment down. */
  failuresLeft: number;
}

const MSAT = 1000;

/** Makes one sale; which is for chance to say. */
export async function sell(number: number, { ledger, chance }: { ledger: Ledger; chance: Chance }): Promise<Sale> {
  const kind = chance.pick(['call', 'call', 'call', 'calls', 'credit'] as const);
  const region = chance.below(2);
  const access =
    kind === 'call'
      ? ({ kind } as const)
      : kind === 'calls'
        ? ({ kind, calls: CALLS_SOLD } as const)
        : ({ kind, creditMsat: msat(BigInt(CREDIT_SATS * MSAT)) } as const);
  const { token, authorization } = await makeToken({ service: kind, id: { region, shardBits: 0 }, terms: { access } });
  const limit = kind === 'call' ? 1 : kind === 'calls' ? CALLS_SOLD : CREDIT_SATS * MSAT;
  const payment = ledger.openAccount({ name: `${kind}-${number}`, limit, isPayment: true });
  const holders: Holder[] = [{ authorization, accounts: [payment] }];
  const wares =
    kind === 'credit'
      ? [
          { path: '/credit/cheap', cost: CHEAP_SATS * MSAT },
          { path: '/credit/dear', cost: DEAR_SATS * MSAT },
        ]
      : [{ path: `/${kind}`, cost: 1 }];
  if (kind !== 'call') {
    const limits = kind === 'calls' ? [6, 3] : [50 * MSAT, 20 * MSAT];
    let text = token;
    const accounts = [payment];
    // A child, and a grandchild below it.
    for (const most of limits) {
      text = await attenuate(text, kind === 'calls' ? { maxCalls: most } : { maxMsat: BigInt(most) });
      accounts.push(ledger.openAccount({ name: `${kind}-${number}/${most}`, limit: most, isPayment: false }));
      holders.push({ authorization: authorization.replace(token, text), accounts: [...accounts] });
    }
  }
  return { place: String(region), wares, holders, failuresLeft: 2 };
}
