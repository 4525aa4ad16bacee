/*
 * `npm run demo`: the four steps of a purchase with their times, then the same credential again, refused. Effects: starts
 * what it needs on free ports and stops it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { formatSats } from '#protocol/msat.ts';
import { buildWorker } from '#local/build-worker.ts';
import { createEmbeddedWallet } from '#local/embedded-wallet.ts';
import { loadLocalSecrets } from '#local/secrets.ts';
import { startLocalSystem } from '#local/system.ts';

let step = 0;
console.log('Starting bridge, embedded Lightning node, gateway and sample API …');
const stateDirectory = mkdtempSync(join(tmpdir(), 'l402-demo-'));
const bundlePath = await buildWorker({ outDirectory: join(stateDirectory, 'bundle') });
const { secrets } = loadLocalSecrets(stateDirectory);
const system = await startLocalSystem({ stateDirectory, bundlePath, secrets, gatewayPort: 0, priceSats: '1', onLine: () => undefined });
try {
  const url = `${system.gatewayUrl}/greeting`;
  // A first, unused challenge, so that the handshake below is measured warm, as on a running gateway.
  await fetch(url);
  const startedMs = performance.now();
  const asked = await timed('402', () => fetch(url));
  const offer = parseL402Offer(asked.headers.get('www-authenticate') ?? '');
  if (!offer.ok || asked.status !== 402) throw new Error(`expected a 402 with an offer, got ${asked.status}`);
  const facts = await timed('invoice decoded', async () => parseInvoice(offer.value.invoice));
  if (!facts.ok) throw new Error(facts.refusal.code);
  console.log(
    `     ${formatSats(facts.value.amountMsat)} sat, ${facts.value.network}, hash ${formatHex(facts.value.paymentHash).slice(0, 16)}…`,
  );
  const preimageHex = await timed('paid', () => createEmbeddedWallet(system.wallet)(offer.value.invoice));
  const authorization = formatCredential({ scheme: 'L402', token: offer.value.token, preimage: parseHex(preimageHex)! });
  const answer = await timed('200', () => fetch(url, { headers: { authorization } }));
  if (answer.status !== 200) throw new Error(`expected 200, got ${answer.status}`);
  console.log(`     ${(await answer.text()).trim()}`);
  console.log(`Handshake in ${Math.round(performance.now() - startedMs)} ms.`);
  const replay = await timed('replay', () => fetch(url, { headers: { authorization } }));
  const { code } = (await replay.json()) as { code: string };
  if (replay.status !== 402 || code !== 'payment_spent')
    throw new Error(`expected the replay to get 402 payment_spent, got ${replay.status} ${code}`);
  console.log(`     refused: ${replay.status} ${code}`);
} finally {
  await system.close();
  rmSync(stateDirectory, { recursive: true });
}

async function timed<Answer>(name: string, work: () => Promise<Answer>): Promise<Answer> {
  const startedMs = performance.now();
  const answer = await work();
  step += 1;
  console.log(`  ${step}. ${name.padEnd(16)} ${(performance.now() - startedMs).toFixed(1)} ms`);
  return answer;
}
