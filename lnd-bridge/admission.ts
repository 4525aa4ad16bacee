/*
 * Who has been let in lately: nonces that were used, and how many requests this second. Memory of one process, bounded;
 * time is passed in. A restart forgets the nonces, so a request of the last minute could come again once: minting is
 * idempotent and looking up changes nothing, so that gains nobody anything.
 */

export interface NonceMemory {
  has(nonceHex: string): boolean;
  /** `full` when there is no room: the caller refuses, since a nonce forgotten early could be used again. */
  remember(nonceHex: string, nowSeconds: number): 'remembered' | 'full';
}

/** Keeps each nonce for `keepSeconds`, and at most `capacity` of them. */
export function createNonceMemory({ capacity, keepSeconds }: { capacity: number; keepSeconds: number }): NonceMemory {
  const leaveAtSeconds = new Map<string, number>();
  return {
    has: (nonceHex) => leaveAtSeconds.has(nonceHex),
    remember(nonceHex, nowSeconds) {
      // A map keeps the order of arrival. When the clock is set back, the first one holds the rest a little longer.
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
  /** Counts one, or says that this second has had enough of them; `keepFree` are left for others. */
  take(nowSeconds: number, keepFree?: number): boolean;
}

/** At most so many within one second of the clock. What is refused is not counted. */
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
