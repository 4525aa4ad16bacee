/*
 * Numbers as settings take them. Every one has bounds.
 */
import * as z from 'zod/mini';

/** A whole number from the smallest to the largest. */
export const whole = (smallest: number, largest: number) => z.int().check(z.minimum(smallest), z.maximum(largest));

/** What all clients have together. Each of sixteen quota objects has a share, one at least, and remembers no more than 10,000 instants. */
export const total = whole(16, 160_000);
