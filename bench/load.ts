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
}

const CONNECTIONS = 32;

/** Answers a second. */
export async function measureLoad({ url, seconds, expectedStatus, authorizations }: LoadOptions): Promise<number> {
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: seconds,
    ...(authorizations === undefined
      ? {}
      : {
          requests: [
            {
              setupRequest(request) {
                const authorization = authorizations.pop();
                if (authorization === undefined) throw new Error('the tokens of the benchmark have run out');
                return { ...request, headers: { ...request.headers, authorization } };
              },
            },
          ],
        }),
  });
  const answers = Object.values(result.statusCodeStats ?? {}).reduce((sum, { count }) => sum + (count ?? 0), 0);
  const expected = result.statusCodeStats?.[`${expectedStatus}`]?.count ?? 0;
  if (result.errors > 0 || answers === 0 || expected !== answers) {
    throw new Error(`${url}: ${JSON.stringify({ errors: result.errors, statuses: result.statusCodeStats, expectedStatus })}`);
  }
  return answers / result.duration;
}
