/*
 * `npm run buy -- URL`: buys one response from the system that `npm start` runs, and shows its cost. The paid credential is
 * kept and reused by the next call. Effects: calls, payments, the credential file.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createL402Fetch, L402Error } from '#client/index.ts';
import { openCredentialFile } from '#local/credential-file.ts';
import { createEmbeddedWallet, type WalletAddress } from '#local/embedded-wallet.ts';
import { readWalletFile, STATE_DIRECTORY } from '#local/state.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { formatSats } from '#protocol/msat.ts';

const HELP = `Usage: npm run buy -- URL [options]

Buys one answer from the gateway that "npm start" runs, with its embedded wallet. No money moves. A pass, a pack or a
balance that was bought before is used again (${STATE_DIRECTORY}/credentials.json).

  -X, --request METHOD   the method [GET, or POST with a body]
  -H, --header 'A: b'    a header field; may be repeated
  -d, --data BODY        the body; @file reads it from a file
      --max-sats N       the most that this call may cost [1000]
      --wallet URL       wallet URL printed by "npm run bridge"; needs --wallet-token
      --wallet-token T   token of that wallet. Default for both: ${STATE_DIRECTORY}/wallet.json of "npm start"
  -h, --help             this text

The answer goes to stdout, everything else to stderr. Exit codes: 0 for a 2xx answer, 1 anything else, 2 wrong usage.
`;

interface Usage {
  readonly url: string;
  readonly init: RequestInit;
  readonly maxPriceSats: number;
  /** `undefined`: the wallet of the system that "npm start" runs. */
  readonly wallet: WalletAddress | undefined;
}

function readUsage(): Usage {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      request: { type: 'string', short: 'X' },
      header: { type: 'string', short: 'H', multiple: true, default: [] },
      data: { type: 'string', short: 'd' },
      'max-sats': { type: 'string', default: '1000' },
      wallet: { type: 'string' },
      'wallet-token': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [url, ...others] = positionals;
  if (values.help === true) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  if (url === undefined || others.length > 0 || !isHttp(url))
    throw new TypeError('give exactly one URL, starting with http:// or https://');
  const maxPriceSats = Number(values['max-sats']);
  if (!(maxPriceSats >= 0)) throw new TypeError('--max-sats: must be a number of satoshis, 0 or more');
  const headers = values.header.map(readHeader);
  const { data } = values;
  const body = data?.startsWith('@') === true ? readFileSync(data.slice(1)) : data;
  const method = values.request ?? (body === undefined ? 'GET' : 'POST');
  const wallet = readWallet(values.wallet, values['wallet-token']);
  return { url, maxPriceSats, wallet, init: { method, headers, ...(body === undefined ? {} : { body }) } };
}

/** Whether this is an HTTP URL. `localhost:8402` parses as a URL too, with the scheme "localhost". */
function isHttp(url: string): boolean {
  return /^https?:\/\//i.test(url) && URL.canParse(url);
}

function readHeader(line: string): [string, string] {
  const colon = line.indexOf(':');
  if (colon < 1) throw new TypeError(`-H: "${line}" is not "Name: value"`);
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}

function readWallet(url: string | undefined, token: string | undefined): WalletAddress | undefined {
  if (url === undefined && token === undefined) return undefined;
  if (url === undefined || token === undefined || !isHttp(url))
    throw new TypeError('--wallet (an http URL) and --wallet-token must be given together');
  // The bridge prints the URL of the pay endpoint; the wallet's URL is above it.
  return { url: url.replace(/\/v1\/pay$/, '').replace(/\/$/, ''), token };
}

function isMisuse(error: unknown): boolean {
  return error instanceof TypeError && error.cause === undefined;
}

function explain(error: unknown): string {
  if (error instanceof L402Error) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    const hint =
      error.code === 'price_above_limit' ? 'Nothing was paid. Raise --max-sats if the call is worth that price to you.' : error.hint;
    return `${error.message}${cause}\n${hint}\nPaid: ${error.paid}`;
  }
  if (isMisuse(error)) return `${(error as Error).message}\n"npm run buy -- --help" lists the options.`;
  // The error of fetch says only that it failed.
  if (error instanceof TypeError && error.cause instanceof Error) return `The call failed: ${error.cause.message}. Is "npm start" running?`;
  return error instanceof Error ? error.message : String(error);
}

async function buy({ url, init, maxPriceSats, wallet }: Usage): Promise<number> {
  const address = wallet ?? readWalletFile(STATE_DIRECTORY);
  if (address === undefined) {
    console.error(
      `No ${STATE_DIRECTORY}/wallet.json here. Run "npm start" in this folder and buy at the address it prints. ` +
        'For "npm run bridge", pass --wallet and --wallet-token.',
    );
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
      console.error(`Paid ${amountOf(invoice)} (${invoice.slice(0, 24)}…) in ${Math.round(performance.now() - startedMs)} ms`);
      return preimage;
    },
  });
  const response = await l402Fetch(url, init);
  console.error(`${response.status} ${response.statusText}${hasPaid ? '' : ', nothing paid'}${restOf(response, hasPaid)}`);
  process.stdout.write(new Uint8Array(await response.arrayBuffer()));
  return response.ok ? 0 : 1;
}

function amountOf(invoice: string): string {
  const facts = parseInvoice(invoice);
  return facts.ok ? `${formatSats(facts.value.amountMsat)} sat` : 'an invoice';
}

/** Describes what is left of the payment. Omits a remainder of 0 after a call that was bought alone. */
function restOf({ headers }: Response, hasPaid: boolean): string {
  const calls = headers.get('l402-remaining');
  const msat = headers.get('l402-remaining-msat');
  if (msat !== null) return `, ${msat} msat left`;
  if (calls === null || (hasPaid && calls === '0')) return '';
  return `, ${calls} ${calls === '1' ? 'call' : 'calls'} left`;
}

try {
  process.exitCode = await buy(readUsage());
} catch (error) {
  console.error(explain(error));
  process.exitCode = isMisuse(error) ? 2 : 1;
}
