/*
 * The sales port as log lines: one `payment` per payment, one `use` per use. The sum of the payments is the revenue. Effects:
 * the log.
 */
import { type Log, type Sales } from '../ports.ts';

/** Creates the sales port on a log. */
export function createSalesLog(log: Log): Sales {
  return {
    payment: ({ amountMsat, ...payment }) => log('payment', { ...payment, amount_msat: String(amountMsat) }),
    use: (use) => log('use', { ...use }),
  };
}
