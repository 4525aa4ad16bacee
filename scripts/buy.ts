/*
 * `npm run buy -- URL`: buys one answer from the system that `npm start` runs, and shows what it cost. What was paid for is kept,
 * and used again by the next call.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createL402Fetch, L402Error } from '#client/index.ts';
import { openCredentialFile } from '#local/credential-file.ts';
import { createEmbeddedWallet } from '#local/embedded-wallet.ts';
import { readWalletFile, STATE_DIRECTORY } from '#local/state.ts';

const HELP = `Usage: npm run buy -- URL [options]

Buys one answer from the gateway that "npm start" runs, with its embedded wallet. No money moves. A pass, a pack or a
balance that was bought before is used again (${STATE_DIRECTORY}/credentials.json).

  -X, --request METHOD   the method [GET, or POST with a body]
  -H, --header 'A: b'    a header field; as often as you like
  -d, --data BODY        the body; @file reads it from a file
      --max-sats N       the most that this call may cost [1000]
  -h, --help             this text

The answer goes to stdout, everything else to stderr. Exit codes: 0 an answer below 400, 1 anything else, 2 wrong usage.
`;

interface Usage {
  readonly url: string;
  readonly init: RequestInit;
  readonly maxPriceSats: number;
}

function readUsage(): Usage {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      request: { type: 'string', short: 'X' },
      header: { type: 'string', short: 'H', multiple: true, default: [] },
      data: { type: 'string', short: 'd' },
      'max-sats': { type: 'string', default: '1000' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [url, ...others] = positionals;
  if (values.help === true) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  if (url === undefined || others.length > 0 || !URL.canParse(url)) throw new TypeError('give one URL, with http:// or https://');
  const maxPriceSats = Number(values['max-sats']);
  if (!(maxPriceSats >= 0)) throw new TypeError('--max-sats: a number of satoshi');
  const headers = values.header.map((line): [string, string] => {
    const colon = line.indexOf(':');
    if (colon < 1) throw new TypeError(`-H: "${line}" is not "Name: value"`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  const { data } = values;
  const body = data?.startsWith('@') === true ? readFileSync(data.slice(1)) : data;
  const method = values.request ?? (body === undefined ? 'GET' : 'POST');
  return { url, maxPriceSats, init: { method, headers, ...(body === undefined ? {} : { body }) } };
}

function explain(error: unknown): string {
  if (error instanceof L402Error) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    return `${error.message}${cause}\n${error.hint}\nPaid: ${error.paid}`;
  }
  // What fetch throws says only that it failed.
  if (error instanceof TypeError && error.cause instanceof Error) return `The call failed: ${error.cause.message}. Is "npm start" running?`;
  return error instanceof Error ? error.message : String(error);
}

async function buy({ url, init, maxPriceSats }: Usage): Promise<number> {
  const address = readWalletFile(STATE_DIRECTORY);
  if (address === undefined) {
    console.error('No system is running here: start one with "npm start", and buy at the address that it prints.');
    return 1;
  }
  const pay = createEmbeddedWallet(address);
  let hasPaid = false;
  const l402Fetch = createL402Fetch({
    maxPriceSats,
    network: 'regtest',
    store: openCredentialFile(STATE_DIRECTORY),
    wallet: async (invoice) => {
      const startedMs = performance.now();
      const preimage = await pay(invoice);
      hasPaid = true;
      console.error(`Paid ${invoice.slice(0, 32)}… in ${Math.round(performance.now() - startedMs)} ms`);
      return preimage;
    },
  });
  const response = await l402Fetch(url, init);
  const left = response.headers.get('l402-remaining');
  const leftMsat = response.headers.get('l402-remaining-msat');
  const rest = left === null ? (leftMsat === null ? '' : `, ${leftMsat} msat left`) : `, ${left} calls left`;
  console.error(`${response.status} ${response.statusText}${hasPaid ? '' : ', nothing paid'}${rest}`);
  process.stdout.write(new Uint8Array(await response.arrayBuffer()));
  return response.ok ? 0 : 1;
}

try {
  process.exitCode = await buy(readUsage());
} catch (error) {
  console.error(explain(error));
  process.exitCode = error instanceof TypeError && error.cause === undefined ? 2 : 1;
}
