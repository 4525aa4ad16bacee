/*
 * Amounts. Inside, every amount is a bigint of millisatoshi with a brand, so that a number of satoshi
 * can never be taken for one. Satoshi exist only where a person reads or writes them. No effects.
 */

declare const brand: unique symbol;

export type Msat = bigint & { readonly [brand]: 'msat' };

/** 21 million bitcoin: no invoice and no price can ask for more. */
export const LARGEST_MSAT = 21_000_000n * 100_000_000n * 1_000n;

/** An amount from 0 to all the bitcoin there is. */
export function msat(amount: bigint): Msat {
  if (amount < 0n || amount > LARGEST_MSAT) throw new RangeError('amount: from 0 to 21 million bitcoin');
  return amount as Msat;
}

/** An amount from a number of satoshi, which may have up to three decimals. */
export function msatFromSats(sats: number): Msat {
  // Rounded and held against what was given: 1.001 * 1000 is 1000.9999999999999, and yet three decimals.
  const amount = Math.round(sats * 1000);
  if (!Number.isSafeInteger(amount) || amount / 1000 !== sats) throw new RangeError('sats: at most three decimals, at most 9 * 10^12');
  return msat(BigInt(amount));
}

/** Reads a decimal number of millisatoshi as it stands in caveats and JSON. */
export function parseMsat(text: string): Msat | undefined {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text)) return undefined;
  const amount = BigInt(text);
  return amount > LARGEST_MSAT ? undefined : (amount as Msat);
}

/** For people: satoshi with as many decimals as it takes, none lost. */
export function formatSats(amount: Msat): string {
  const decimals = (amount % 1000n).toString().padStart(3, '0').replace(/0+$/, '');
  return `${amount / 1000n}${decimals && `.${decimals}`}`;
}
