/*
 * Our readers beside others that share no line with them: npm `macaroon`, and a second BOLT 11 reader whose signatures
 * are recovered by tiny-secp256k1. What both take, they must take for the same; we may refuse more, for reasons of ours.
 */
import { isUtf8 } from 'node:buffer';
import library, { type Macaroon as TheirMacaroon } from 'macaroon';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeHmac } from '#adapters/node-hmac.ts';
import { recoverSigner } from '#lnd-bridge/invoice-signature.ts';
import { formatHex, parseBase64 } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { signMacaroon, verifyChain } from '#protocol/macaroon.ts';
import { decodeMacaroon, encodeMacaroon } from '#protocol/macaroon-codec.ts';
import { readInvoiceAgain } from './bolt11-reader.ts';
import { mutateBytes, mutateInvoice, mutateText } from './mutations.ts';
import { collectSamples, type Samples } from './samples.ts';
import { createChance, SEED, sized, tell } from './seed.ts';

const INPUTS = sized({ short: 100_000, long: 10_000_000 });
/** Their HMACs and our curves take a hundred times as long as reading. */
const DEAR_INPUTS = sized({ short: 2000, long: 100_000 });
const timeout = sized({ short: 120_000, long: 7_200_000 });

let samples: Samples;
let macaroons: readonly Uint8Array[];

beforeAll(async () => {
  samples = await collectSamples(createChance(SEED));
  macaroons = samples.tokens.map(({ token }) => parseBase64(token)!);
});

function importTheirs(bytes: Uint8Array): TheirMacaroon | undefined {
  try {
    return library.importMacaroon(bytes);
  } catch {
    // Their way to refuse.
    return undefined;
  }
}

describe('npm macaroon', () => {
  it('D27: reads every macaroon that we read, as the same one', { timeout }, () => {
    const chance = createChance(SEED);
    const counts = { both: 0, theirsOnly: 0 };
    for (let count = 0; count < INPUTS; count++) {
      const bytes = mutateBytes(macaroons, chance);
      const ours = decodeMacaroon(bytes);
      const theirs = importTheirs(bytes);
      if (!ours.ok) {
        if (theirs !== undefined) counts.theirsOnly += 1;
        continue;
      }
      counts.both += 1;
      const { location, identifier, caveats, signature } = ours.value;
      // Theirs is text: a location that is not, we refuse only when the token is proved.
      if (theirs === undefined && location !== undefined && !isUtf8(location)) continue;
      const read = [identifier, ...caveats, signature].map(formatHex);
      const again = theirs && [theirs.identifier, ...theirs.caveats.map((caveat) => caveat.identifier), theirs.signature].map(formatHex);
      if (JSON.stringify(again) !== JSON.stringify(read))
        expect({ hex: formatHex(bytes), again }).toEqual({ hex: formatHex(bytes), again: read });
    }
    tell(`npm macaroon: ${INPUTS} inputs, ${counts.both} read by both, ${counts.theirsOnly} by it alone`);
    expect(counts.both).toBeGreaterThan(INPUTS / 50);
  });

  it('D27: proves and refuses the same chains', { timeout }, async () => {
    const chance = createChance(SEED);
    const counts = { proved: 0, refused: 0 };
    const rootKey = new Uint8Array(32).fill(1);
    const signed = await Promise.all(
      macaroons.map(async (bytes) => {
        const read = decodeMacaroon(bytes);
        if (!read.ok) throw new Error(read.refusal.code);
        return encodeMacaroon(await signMacaroon(read.value, { rootKey, hmac: nodeHmac }));
      }),
    );
    for (let count = 0; count < DEAR_INPUTS; count++) {
      const bytes = chance.percent(30) ? chance.pick(signed) : mutateBytes(signed, chance);
      const ours = decodeMacaroon(bytes);
      if (!ours.ok) continue;
      const isProved = (await verifyChain(ours.value, { rootKey, hmac: nodeHmac })) !== undefined;
      let isProvedThere = true;
      try {
        library.importMacaroon(bytes).verify(rootKey, () => null);
      } catch {
        isProvedThere = false;
      }
      counts[isProved ? 'proved' : 'refused'] += 1;
      expect([formatHex(bytes), isProvedThere]).toEqual([formatHex(bytes), isProved]);
    }
    tell(`npm macaroon: ${counts.proved} chains proved by both, ${counts.refused} refused by both`);
    expect(Math.min(counts.proved, counts.refused)).toBeGreaterThan(DEAR_INPUTS / 50);
  });
});

describe('a second reader of BOLT 11', () => {
  it('M31: takes every invoice that we take for the same amount, hash, network and end', { timeout }, () => {
    const chance = createChance(SEED);
    const counts = { both: 0, secondOnly: 0 };
    for (let count = 0; count < INPUTS; count++) {
      const text =
        count < samples.invoices.length
          ? samples.invoices[count]!
          : chance.percent(80)
            ? mutateInvoice(samples.invoices, chance)
            : mutateText(samples.invoiceTexts, chance);
      const ours = parseInvoice(text);
      if (count < samples.invoices.length) expect(ours.ok).toBe(true);
      const second = readInvoiceAgain(text);
      if (!ours.ok) {
        if (second !== undefined) counts.secondOnly += 1;
        continue;
      }
      counts.both += 1;
      const { network, amountMsat, paymentHash, createdAtSeconds, expiresAtSeconds, description, payee } = ours.value;
      const facts = {
        network,
        tenthsOfMsat: amountMsat * 10n,
        createdAtSeconds,
        expirySeconds: expiresAtSeconds - createdAtSeconds,
        paymentHashes: [formatHex(paymentHash)],
        descriptions: description === undefined ? [] : [description],
        ...(payee === undefined ? {} : { payees: [formatHex(payee)] }),
      };
      expect({ text, ...second }).toMatchObject({ text, ...facts });
    }
    tell(`BOLT 11: ${INPUTS} inputs, ${counts.both} read by both, ${counts.secondOnly} by the second reader alone`);
    expect(counts.both).toBeGreaterThan(INPUTS / 50);
  });

  it('M23: finds the same signer, or none', { timeout }, () => {
    const chance = createChance(SEED);
    const counts = { signed: 0, unsigned: 0 };
    for (let count = 0; count < DEAR_INPUTS; count++) {
      const text = count < samples.invoices.length ? samples.invoices[count]! : mutateInvoice(samples.invoices, chance);
      const second = readInvoiceAgain(text, { withSigner: true });
      if (second === undefined) continue;
      const signer = recoverSigner(text);
      counts[signer === undefined ? 'unsigned' : 'signed'] += 1;
      expect([text, signer && formatHex(signer)]).toEqual([text, second.signerHex]);
    }
    tell(`BOLT 11: ${counts.signed} signers found alike, ${counts.unsigned} invoices signed by nobody`);
    expect(counts.signed).toBeGreaterThan(DEAR_INPUTS / 50);
  });
});
