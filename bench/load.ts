/*
 * Load on one address of loopback: so many connections for so many seconds, each with one request under way. Fixed in
 * time; every answer must have the status that is expected, or the figure is void.
 */
import autocannon from 'autocannon';

export interface LoadOptions {
  readonly url: string;
  readonly seconds: number;
  readonly expectedStatus: number;
  /** A header value for each request; when they run out the load ends. */
  readonly authorizations?: string[];
  /** Each request comes from another address, as one proxy in front tells it: no client has a thousand invoices open. */
  readonly fromMany?: boolean;
}

const CONNECTIONS = 32;

/** Answers a second. */
export async function measureLoad({ url, seconds, expectedStatus, authorizations, fromMany = false }: LoadOptions): Promise<number> {
  let client = 0;
  const setupRequest = (request: autocannon.Request): autocannon.Request => {
    const authorization = authorizations?.pop();
    if (authorization === undefined && authorizations !== undefined) throw new Error('the tokens of the benchmark have run out');
    client += 1;
    const address = `10.${(client >> 16) & 255}.${(client >> 8) & 255}.${client & 255}`;
    const headers = {
      ...request.headers,
      ...(authorization === undefined ? {} : { authorization }),
      ...(fromMany ? { 'x-forwarded-for': address } : {}),
    };
    return { ...request, headers };
  };
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: seconds,
    ...(authorizations === undefined && !fromMany ? {} : { requests: [{ setupRequest }] }),
  });
  const answers = Object.values(result.statusCodeStats ?? {}).reduce((sum, { count }) => sum + (count ?? 0), 0);
  const expected = result.statusCodeStats?.[`${expectedStatus}`]?.count ?? 0;
  if (result.errors > 0 || answers === 0 || expected !== answers) {
    throw new Error(`${url}: ${JSON.stringify({ errors: result.errors, statuses: result.statusCodeStats, expectedStatus })}`);
  }
  return answers / result.duration;
}
