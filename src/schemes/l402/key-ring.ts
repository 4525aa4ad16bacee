/*
 * Which key signs now and which keys are still valid: the master secrets by id, their epochs by the clock. An impossible
 * epoch, a future one, or one past its grace period has no key (M6). Effects: memory for a bounded number of derived keys,
 * the given HMAC and clock.
 */
import { type CredentialRefusal, type CredentialRefusalCode } from '#protocol/refusal.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { deriveEpochKey } from '#protocol/root-key.ts';
import { epochAt, type Epoch } from '#protocol/token-id.ts';
import { type Clock, type Hmac, type KeyRing } from '../../ports.ts';

export interface KeyRingOptions {
  readonly secrets: ReadonlyMap<number, Uint8Array>;
  readonly currentKeyId: number;
  readonly epochHours: number;
  readonly graceHours: number;
  /** How far clocks may differ before an epoch counts as future. */
  readonly skewSeconds: number;
  readonly hmac: Hmac;
  readonly clock: Clock;
}

/** The current epoch of each key and those in grace are two or three; more only if an epoch is far shorter than its grace period. */
const MOST_KEYS_KEPT = 64;

/** Creates the key ring of a gateway. */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  const { secrets, currentKeyId, epochHours, graceHours, skewSeconds, hmac, clock } = options;
  const currentSecret = secrets.get(currentKeyId);
  if (currentSecret === undefined) throw new RangeError('currentKeyId: names no secret');
  const kept = new Map<string, Promise<Uint8Array>>();

  const currentEpoch = () => epochAt(Math.floor(clock() / 1000), epochHours);
  const nameOf = (keyId: number, { startHours }: Epoch) => `${keyId}/${startHours}`;

  const keyOf = (secret: Uint8Array, { keyId, epoch }: { keyId: number; epoch: Epoch }): Promise<Uint8Array> => {
    const name = nameOf(keyId, epoch);
    // Another length was configured earlier or is made up, and there can be thousands: not cached.
    const isOurs = epoch.lengthHours === epochHours;
    const known = isOurs ? kept.get(name) : undefined;
    if (known !== undefined) return known;
    const key = deriveEpochKey(secret, { epoch, hmac });
    if (!isOurs) return key;
    if (kept.size >= MOST_KEYS_KEPT) {
      const current = nameOf(currentKeyId, currentEpoch());
      kept.delete([...kept.keys()].find((candidate) => candidate !== current)!);
    }
    kept.set(name, key);
    return key;
  };

  return {
    async current() {
      const epoch = currentEpoch();
      return { keyId: currentKeyId, epoch, epochKey: await keyOf(currentSecret, { keyId: currentKeyId, epoch }) };
    },
    async epochKeys(keyId, epoch): Promise<Result<Uint8Array, CredentialRefusal>> {
      const secret = secrets.get(keyId);
      if (secret === undefined) return no('token_key_unknown', 'the token was signed with a key that is not in use');
      const nowSeconds = clock() / 1000;
      if (epoch.startHours % epoch.lengthHours !== 0) return no('token_epoch_out_of_range', 'no epoch of this length begins there');
      if (epoch.startHours * 3600 > nowSeconds + skewSeconds) return no('token_epoch_out_of_range', 'the epoch of the token has not begun');
      if ((epoch.startHours + epoch.lengthHours + graceHours) * 3600 < nowSeconds) {
        return no('token_epoch_out_of_range', 'the epoch of the token is over, and its grace too');
      }
      return accept(await keyOf(secret, { keyId, epoch }));
    },
  };
}

function no(code: CredentialRefusalCode, detail: string): Result<never, CredentialRefusal> {
  return refuse({ code, detail });
}
