/*
 * Number schemas for settings. Each has bounds. Pure.
 */
import * as z from 'zod/mini';

/** A whole number within these bounds. */
export const whole = (smallest: number, largest: number) => z.int().check(z.minimum(smallest), z.maximum(largest));

/** A total for all clients. Each of sixteen quota objects gets a share of at least one, and remembers at most 10,000 instants. */
export const total = whole(16, 160_000);
