/*
 * The sales port as lines of the log: one `payment` a payment, one `use` a use. Whoever adds up payments has what was earned.
 */
import { type Log, type Sales } from '../ports.ts';

/** Sales that are told to the log. */
export function createSalesLog(log: Log): Sales {
  return {
    payment: ({ amountMsat, ...payment }) => log('payment', { ...payment, amount_msat: String(amountMsat) }),
    use: (use) => log('use', { ...use }),
  };
}
