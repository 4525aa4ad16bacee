/*
 * The text form of open uses in a row: JSON arrays, because key names would take most of the space. Pure.
 */
import { type OpenUse } from './claim-rules.ts';

type WrittenUse = readonly [number: number, reservationId: string, cost: number, leaseEndsAtMs: number, draws: readonly WrittenDraw[]];
type WrittenDraw = readonly [key: string, cost: number, period: string];

export function formatUses(uses: readonly OpenUse[]): string {
  return JSON.stringify(
    uses.map(({ number, reservationId, cost, leaseEndsAtMs, draws }): WrittenUse => [
      number,
      reservationId,
      cost,
      leaseEndsAtMs,
      draws.map((draw): WrittenDraw => [draw.key, draw.cost, draw.period]),
    ]),
  );
}

export function parseUses(text: string): readonly OpenUse[] {
  return (JSON.parse(text) as readonly WrittenUse[]).map(([number, reservationId, cost, leaseEndsAtMs, draws]): OpenUse => ({
    number,
    reservationId,
    cost,
    leaseEndsAtMs,
    draws: draws.map(([key, drawCost, period]) => ({ key, cost: drawCost, period })),
  }));
}
