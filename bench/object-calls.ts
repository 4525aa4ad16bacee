/*
 * How many Durable Objects a request of a case asks on its path, counted by a gateway that is under no load. The control object
 * is left out: it is asked in the background. Effects: requests.
 */
import { type Case } from './cases.ts';
import { readUsages, sumUsages } from './operations.ts';

const REQUESTS = 20;
/** Of a case whose answers are large. */
const LARGE_REQUESTS = 2;

/** Object calls for each request of a case, after one that warms the isolate up. */
export async function countObjectCalls({ path, status, tokens, fromMany, isSpent, ...one }: Case, baseUrl: string): Promise<number> {
  const shared = tokens?.count === 'one' ? await tokens.make() : undefined;
  const requests = one.connections === undefined ? REQUESTS : LARGE_REQUESTS;
  const sent: RequestInit = one.bodyBytes === undefined ? {} : { method: 'POST', body: 'x'.repeat(one.bodyBytes) };
  const ask = async (client: number) => {
    const authorization = shared ?? (await tokens?.make());
    const headers = { 'x-forwarded-for': fromMany === true ? `10.1.0.${client}` : '10.0.0.1' };
    const response = await fetch(baseUrl + path, {
      ...sent,
      headers: authorization === undefined ? headers : { ...headers, authorization },
    });
    await response.arrayBuffer();
    return response.status;
  };
  const warmUp = await ask(0);
  const before = await readCalls(baseUrl);
  for (let request = 1; request <= requests; request++) {
    const answered = await ask(request);
    if (answered !== status) throw new Error(`${path}: ${answered}, not ${status}`);
  }
  if (isSpent === true && warmUp !== 200) throw new Error(`${path}: the token was not spent but refused with ${warmUp}`);
  return Math.round((((await readCalls(baseUrl)) - before) * 100) / requests) / 100;
}

async function readCalls(baseUrl: string): Promise<number> {
  return sumUsages(await readUsages(baseUrl)).calls;
}
