/*
 * Describes a fault in words that may be logged. Libraries put requests into their errors, so anything that looks like a
 * secret is cut out. Pure.
 */

/** Returns a fault's name and message. */
export function describeFault(error: unknown): { name: string; message: string } {
  if (!(error instanceof Error)) return { name: 'unknown', message: '' };
  return { name: error.name, message: error.message.slice(0, 500).replace(/[A-Za-z0-9+/_=-]{24,}/g, '[cut]') };
}
