/*
 * Recently used nonces, and the number of requests this second. Memory of one process, bounded; time is passed in. A restart
 * forgets the nonces, so a request of the last minute could be repeated once. That gains nothing: minting is idempotent and
 * looking up changes nothing. Effects: memory.
 */

export interface NonceMemory {
  has(nonceHex: string): boolean;
  /** `full`: no space, so the caller refuses; a nonce forgotten early could be used again. */
  remember(nonceHex: string, nowSeconds: number): 'remembered' | 'full';
}

/** Creates a memory that keeps each nonce for `keepSeconds`, and at most `capacity` of them. */
export function createNonceMemory({ capacity, keepSeconds }: { capacity: number; keepSeconds: number }): NonceMemory {
  const leaveAtSeconds = new Map<string, number>();
  return {
    has: (nonceHex) => leaveAtSeconds.has(nonceHex),
    remember(nonceHex, nowSeconds) {
      // A map keeps insertion order. If the clock is set back, the first entry delays the removal of the rest a little.
      for (const [nonce, leaveAt] of leaveAtSeconds) {
        if (leaveAt >= nowSeconds) break;
        leaveAtSeconds.delete(nonce);
      }
      if (leaveAtSeconds.size >= capacity) return 'full';
      leaveAtSeconds.set(nonceHex, nowSeconds + keepSeconds);
      return 'remembered';
    },
  };
}

export interface RateLimit {
  /** Counts one, or returns false if this second is used up; `keepFree` are left for others. */
  take(nowSeconds: number, keepFree?: number): boolean;
}

/** Creates a limit per second of the clock. Refused requests are not counted. */
export function createRateLimit(maxPerSecond: number): RateLimit {
  let second = -1;
  let taken = 0;
  return {
    take(nowSeconds, keepFree = 0) {
      if (nowSeconds !== second) {
        second = nowSeconds;
        taken = 0;
      }
      if (taken + keepFree >= maxPerSecond) return false;
      taken += 1;
      return true;
    },
  };
}

export interface AdmissionRefusal {
  readonly code: 'replayed' | 'rate_exceeded' | 'replay_memory_full';
  readonly detail: string;
}

/**
 * Creates the admission of signed requests: each nonce once, within the rate. Replays are checked first and not counted:
 * repeating a recorded request must not use up the gateway's rate.
 */
export function createAdmission({
  maxRequestsPerSecond,
  maxSkewSeconds,
}: {
  maxRequestsPerSecond: number;
  maxSkewSeconds: number;
}): (nonceHex: string, nowSeconds: number) => AdmissionRefusal | undefined {
  const rate = createRateLimit(maxRequestsPerSecond);
  // A request signed at the far end of the window is valid for twice the skew. The capacity is all that the rate allows in
  // that time, so it is reached only if the clock is set back.
  const keepSeconds = 2 * maxSkewSeconds;
  const nonces = createNonceMemory({ capacity: maxRequestsPerSecond * (keepSeconds + 1), keepSeconds });
  return (nonceHex, nowSeconds) => {
    if (nonces.has(nonceHex)) return { code: 'replayed', detail: 'this request was here before' };
    if (!rate.take(nowSeconds)) return { code: 'rate_exceeded', detail: `at most ${maxRequestsPerSecond} requests a second` };
    if (nonces.remember(nonceHex, nowSeconds) === 'full') return { code: 'replay_memory_full', detail: 'too many requests to remember' };
    return undefined;
  };
}
