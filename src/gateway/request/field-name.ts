/*
 * Header names as a server may read them. CGI and its heirs (PHP, WSGI, Rack) make a variable of a name: capitals, and an
 * underscore for every other character. So `X-Model`, `X_Model` and `X.Model` are one. Pure.
 */

/** A name in the one spelling that all those have in common. */
export function foldFieldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-');
}
