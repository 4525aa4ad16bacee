/*
 * Keys and epochs: which have a key, and what a token that is made up can cost (M6).
 */
import { describe, expect, it } from 'vitest';
import { formatHex } from '#protocol/bytes.ts';
import { type Hmac } from '#protocol/hmac.ts';
import { deriveEpochKey } from '#protocol/root-key.ts';
import { epochAt, LONGEST_EPOCH_HOURS, type Epoch } from '#protocol/token-id.ts';
import { createKeyRing } from '#schemes/l402/key-ring.ts';
import { hmac, OTHER_SECRET, TOKEN_SECRET } from '#support/tokens.ts';

const HOUR_MS = 3_600_000;
/** The middle of an epoch of 24 hours. */
const NOON_HOURS = 480_012;
const GRACE_HOURS = 72;

function openRing({ epochHours = 24, graceHours = GRACE_HOURS, atHours = NOON_HOURS } = {}) {
  let derivations = 0;
  let nowMs = atHours * HOUR_MS;
  // Two HMACs make an epoch's key; the first has the secret as its message.
  const counting: Hmac = (key, message) => {
    if (message === TOKEN_SECRET || message === OTHER_SECRET) derivations += 1;
    return hmac(key, message);
  };
  const ring = createKeyRing({
    secrets: new Map([
      [1, TOKEN_SECRET],
      [2, OTHER_SECRET],
    ]),
    currentKeyId: 1,
    epochHours,
    graceHours,
    skewSeconds: 30,
    hmac: counting,
    clock: () => nowMs,
  });
  return {
    ring,
    derivations: () => derivations,
    moveTo: (hours: number) => void (nowMs = hours * HOUR_MS),
    codeOf: async (epoch: Epoch, keyId = 1) => {
      const key = await ring.epochKeys(keyId, epoch);
      return key.ok ? 'good' : key.refusal.code;
    },
  };
}

describe('M6 an epoch', () => {
  it('has a key from its first second, less the skew, to the last of its grace', async () => {
    const { codeOf, moveTo } = openRing();
    const epoch = { startHours: 480_000, lengthHours: 24 };
    const skewHours = 30 / 3600;
    for (const [hours, code] of [
      [480_000 - skewHours, 'good'],
      [480_000 - 2 * skewHours, 'token_epoch_out_of_range'],
      [480_024 + GRACE_HOURS, 'good'],
      [480_024 + GRACE_HOURS + skewHours, 'token_epoch_out_of_range'],
    ] as const) {
      moveTo(hours);
      expect(await codeOf(epoch), String(hours)).toBe(code);
    }
    expect(await codeOf(epoch, 3)).toBe('token_key_unknown');
  });

  it('begins at a multiple of its length; one that begins elsewhere was never used and has no key', async () => {
    const { codeOf, derivations } = openRing();
    for (const lengthHours of [2, 24, 25, 168, LONGEST_EPOCH_HOURS]) {
      const { startHours } = epochAt((NOON_HOURS * HOUR_MS) / 1000, lengthHours);
      for (const off of [-1, 1]) expect(await codeOf({ startHours: startHours + off, lengthHours })).toBe('token_epoch_out_of_range');
    }
    expect(derivations()).toBe(0);
  });

  it('of another length, from before the configuration was changed, has its key for as long', async () => {
    const { ring } = openRing();
    const epoch = { startHours: 480_000, lengthHours: 48 };
    const key = await ring.epochKeys(2, epoch);
    expect(key.ok && formatHex(key.value)).toBe(formatHex(await deriveEpochKey(OTHER_SECRET, { epoch, hmac })));
  });
});

describe('M6 the key that signs now', () => {
  it('is derived once, for signing and for every token of its epoch', async () => {
    const { ring, derivations } = openRing();
    const { epoch, keyId } = await ring.current();
    for (let times = 0; times < 10; times++) {
      await ring.current();
      await ring.epochKeys(keyId, epoch);
    }
    expect(derivations()).toBe(1);
  });

  it('is never pushed out by epochs that are made up, of any length and either key', async () => {
    const { ring, derivations, codeOf } = openRing();
    const { epoch, keyId } = await ring.current();
    let made = 0;
    for (let lengthHours = 1; lengthHours <= 400; lengthHours++) {
      const { startHours } = epochAt((NOON_HOURS * HOUR_MS) / 1000, lengthHours);
      for (const id of [1, 2]) if ((await codeOf({ startHours, lengthHours }, id)) === 'good') made += 1;
    }
    expect(made).toBe(800);
    const before = derivations();
    await ring.current();
    await ring.epochKeys(keyId, epoch);
    expect(derivations()).toBe(before);
  });

  it('is never pushed out by past epochs of its own length, however many are in grace', async () => {
    const { ring, derivations, codeOf } = openRing({ epochHours: 1, graceHours: 720 });
    const { epoch, keyId } = await ring.current();
    for (let ago = 1; ago <= 700; ago++) expect(await codeOf({ startHours: NOON_HOURS - ago, lengthHours: 1 })).toBe('good');
    const before = derivations();
    await ring.current();
    await ring.epochKeys(keyId, epoch);
    expect(derivations()).toBe(before);
  });

  it('follows the clock: the epoch after it is another key, and the one before stays known', async () => {
    const { ring, derivations, moveTo } = openRing();
    const first = await ring.current();
    moveTo(NOON_HOURS + 24);
    const second = await ring.current();
    expect(second.epoch).toEqual({ startHours: first.epoch.startHours + 24, lengthHours: 24 });
    expect(formatHex(second.epochKey)).not.toBe(formatHex(first.epochKey));
    await ring.epochKeys(1, first.epoch);
    expect(derivations()).toBe(2);
  });
});
