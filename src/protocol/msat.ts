/*
 * Amounts. Internally every amount is a branded bigint of millisatoshis, so a number of satoshis cannot be mistaken for one.
 * Satoshis appear only where people read or write them. Pure.
 */

declare const brand: unique symbol;

export type Msat = bigint & { readonly [brand]: 'msat' };

/** 21 million bitcoin: no invoice and no price can be higher. */
export const LARGEST_MSAT = 21_000_000n * 100_000_000n * 1_000n;

/** Creates an amount from 0 to the total bitcoin supply. */
export function msat(amount: bigint): Msat {
  if (amount < 0n || amount > LARGEST_MSAT) throw new RangeError('amount: from 0 to 21 million bitcoin');
  return amount as Msat;
}

/** Converts a number of satoshis with up to three decimals. */
export function msatFromSats(sats: number): Msat {
  // Rounded and compared with the input: 1.001 * 1000 is 1000.9999999999999, although it has three decimals.
  const amount = Math.round(sats * 1000);
  if (!Number.isSafeInteger(amount) || amount / 1000 !== sats) throw new RangeError('sats: at most three decimals, at most 9 * 10^12');
  return msat(BigInt(amount));
}

/** Reads a decimal number of millisatoshis, as in caveats and JSON. */
export function parseMsat(text: string): Msat | undefined {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text)) return undefined;
  const amount = BigInt(text);
  return amount > LARGEST_MSAT ? undefined : (amount as Msat);
}

/** Formats satoshis for people, with all necessary decimals. */
export function formatSats(amount: Msat): string {
  const decimals = (amount % 1000n).toString().padStart(3, '0').replace(/0+$/, '');
  return `${amount / 1000n}${decimals && `.${decimals}`}`;
}
