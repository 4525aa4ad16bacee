/*
 * `npm run buy -- URL`: buys one answer from the system that `npm start` runs, and shows what it cost.
 */
import { parseArgs } from 'node:util';
import { createL402Fetch, L402Error } from '#client/index.ts';
import { createEmbeddedWallet } from '#local/embedded-wallet.ts';
import { readWalletFile, STATE_DIRECTORY } from '#local/state.ts';

const HELP = `Usage: npm run buy -- URL [-X METHOD] [-d BODY] [--max-sats N]

Buys one answer from the gateway that "npm start" runs, with its embedded wallet. No money moves.
`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    request: { type: 'string', short: 'X' },
    data: { type: 'string', short: 'd' },
    'max-sats': { type: 'string', default: '1000' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [url] = positionals;
if (values.help === true || url === undefined) {
  console.error(HELP);
  process.exit(values.help === true ? 0 : 2);
}
const address = readWalletFile(STATE_DIRECTORY);
if (address === undefined) {
  console.error('No system is running here: start one with "npm start".');
  process.exit(1);
}
const pay = createEmbeddedWallet(address);
const l402Fetch = createL402Fetch({
  maxPriceSats: Number(values['max-sats']),
  network: 'regtest',
  wallet: async (invoice) => {
    const startedMs = performance.now();
    const preimage = await pay(invoice);
    console.error(`Paid ${invoice.slice(0, 32)}… in ${Math.round(performance.now() - startedMs)} ms`);
    return preimage;
  },
});
try {
  const method = values.request ?? (values.data === undefined ? 'GET' : 'POST');
  const response = await l402Fetch(url, { method, ...(values.data === undefined ? {} : { body: values.data }) });
  console.error(`${response.status} ${response.statusText}`);
  process.stdout.write(new Uint8Array(await response.arrayBuffer()));
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  if (!(error instanceof L402Error)) throw error;
  console.error(`${error.code}: ${error.message}\n${error.hint}\nPaid: ${error.paid}`);
  process.exitCode = 1;
}
