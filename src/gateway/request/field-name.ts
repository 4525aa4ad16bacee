/*
 * Header names as a server may read them. CGI and its successors (PHP, WSGI, Rack) turn a name into a variable: capitals, and
 * an underscore for every other character. So `X-Model`, `X_Model` and `X.Model` are the same. Pure.
 */

/** Returns the spelling that all such variants share. */
export function foldFieldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-');
}
