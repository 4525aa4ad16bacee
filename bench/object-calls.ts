/*
 * How many Durable Objects a request of a case asks on its path, counted by a gateway that is under no load. The control object
 * is left out: it is asked in the background. Effects: requests.
 */
import { type Case } from './cases.ts';
import { readTallies, sumTallies } from './operations.ts';

const REQUESTS = 20;

/** Object calls for each request of a case, after one that warms the isolate up. */
export async function countObjectCalls({ path, status, tokens, fromMany, isSpent }: Case, baseUrl: string): Promise<number> {
  const one = tokens?.count === 'one' ? await tokens.make() : undefined;
  const ask = async (client: number) => {
    const authorization = one ?? (await tokens?.make());
    const headers = { 'x-forwarded-for': fromMany === true ? `10.1.0.${client}` : '10.0.0.1' };
    const response = await fetch(baseUrl + path, { headers: authorization === undefined ? headers : { ...headers, authorization } });
    await response.arrayBuffer();
    return response.status;
  };
  const warmUp = await ask(0);
  const before = await readCalls(baseUrl);
  for (let request = 1; request <= REQUESTS; request++) {
    const answered = await ask(request);
    if (answered !== status) throw new Error(`${path}: ${answered}, not ${status}`);
  }
  if (isSpent === true && warmUp !== 200) throw new Error(`${path}: the token was not spent but refused with ${warmUp}`);
  return Math.round((((await readCalls(baseUrl)) - before) * 100) / REQUESTS) / 100;
}

async function readCalls(baseUrl: string): Promise<number> {
  return sumTallies(await readTallies(baseUrl)).calls;
}
