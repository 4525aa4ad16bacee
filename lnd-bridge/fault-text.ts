/*
 * A fault in words that may be logged. Libraries put requests into their errors, so whatever looks like a secret is cut out.
 */

/** A fault's kind and words. */
export function describeFault(error: unknown): { name: string; message: string } {
  if (!(error instanceof Error)) return { name: 'unknown', message: '' };
  return { name: error.name, message: error.message.slice(0, 500).replace(/[A-Za-z0-9+/_=-]{24,}/g, '[cut]') };
}
