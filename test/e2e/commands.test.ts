/*
 * The commands of the README as a newcomer runs them, and the log of a whole run.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createL402Fetch } from '#client/index.ts';
import { STATE_DIRECTORY, writeWalletFile } from '#local/state.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { sendRaw } from '#support/raw-http.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';

const occupied = createServer();
const folder = mkdtempSync(join(tmpdir(), 'l402-commands-'));

beforeAll(async () => {
  // Somebody else may have the port already: that is the same to the test.
  await new Promise<void>((done) => void occupied.once('error', () => done()).listen(8402, '127.0.0.1', () => done()));
});
afterAll(() => {
  occupied.close();
  rmSync(folder, { recursive: true });
});

function run(script: string, args: readonly string[] = [], { cwd = folder }: { cwd?: string } = {}) {
  const child = spawn(process.execPath, [resolve(script), ...args], { cwd, env: process.env });
  let output = '';
  const watchers: { text: string; found: () => void }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      for (const { text, found } of watchers) if (output.includes(text)) found();
    });
  }
  return {
    child,
    output: () => output,
    ended: new Promise<number | null>((done) => void child.once('close', done)),
    prints: (text: string) => new Promise<void>((found) => void watchers.push({ text, found })),
  };
}

describe('commands', () => {
  it('D2: the demo prints its four steps and the refused replay, and exits 0 while port 8402 is taken', async () => {
    const demo = run('scripts/demo.ts');
    expect(await demo.ended).toBe(0);
    for (const step of ['1. 402', '2. invoice decoded', '3. paid', '4. 200', 'refused: 402 payment_spent'])
      expect(demo.output()).toContain(step);
  });

  it('D7: start takes the next port when 8402 is taken, says so, sells, lets no second one at its folder, and leaves nothing behind', async () => {
    const start = run('scripts/start.ts');
    await start.prints('Ctrl-C stops everything');
    expect(start.output()).toContain('Port 8402 is taken');
    const url = /sells \S+ at (http:\S+)/.exec(start.output())![1]!;
    expect((await fetch(`${url}/greeting`)).status).toBe(402);
    // Two gateways over one folder would each grant the same payment.
    const second = run('scripts/start.ts');
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`${STATE_DIRECTORY} is in use: another l402-edge runs on it. End that one first`);
    expect((await fetch(`${url}/greeting`)).status).toBe(402);
    start.child.kill('SIGINT');
    expect(await start.ended).toBe(0);
    await expect(fetch(`${url}/greeting`)).rejects.toThrow('fetch failed');
  });
});

describe('buy', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startTestSystem([{ name: 'gateway' }]);
    mkdirSync(join(folder, STATE_DIRECTORY), { recursive: true });
    writeWalletFile(join(folder, STATE_DIRECTORY), system.bridge.wallet);
  });
  afterAll(() => system.close());
  const buy = async (...args: readonly string[]) => {
    const command = run('scripts/buy.ts', args);
    return { code: await command.ended, output: command.output() };
  };

  it('sends what it is told to, and uses what it has bought again: three calls of a pack are paid once', async () => {
    const url = `${system.urlOf('gateway')}/pack/a`;
    expect(await buy(url, '-H', 'X-Mine: 1', '-d', 'a body')).toMatchObject({ code: 0 });
    expect(system.origin.seen.at(-1)).toMatchObject({ method: 'POST', body: 'a body', headers: { 'x-mine': '1' } });
    const second = await buy(`${url}b`, '-X', 'PUT');
    expect([second.code, second.output.includes('nothing paid, 1 call left')]).toEqual([0, true]);
    expect(system.origin.seen.at(-1)).toMatchObject({ method: 'PUT' });
    expect((await buy(url)).output).toContain('nothing paid, 0 calls left');
    expect((await buy(url)).output).toMatch(/Paid [0-9]+ sat \(lnbcrt/);
  });

  it('names the amount, and says nothing of what is left of a single call', async () => {
    const { output } = await buy(`${system.urlOf('gateway')}/call/x`);
    expect(output).toMatch(/^Paid [0-9]+ sat \(lnbcrt[0-9a-z]+…\) in [0-9]+ ms$/m);
    expect(output).toMatch(/^200 OK$/m);
  });

  it('buys from a gateway before a bridge that runs alone, with the wallet and the token that it prints', async () => {
    const { url, token } = system.bridge.wallet;
    const elsewhere = mkdtempSync(join(folder, 'elsewhere-'));
    const call = `${system.urlOf('gateway')}/call/y`;
    const without = run('scripts/buy.ts', [call], { cwd: elsewhere });
    expect([await without.ended, without.output()]).toEqual([1, expect.stringContaining('.l402/wallet.json')]);
    mkdirSync(join(elsewhere, STATE_DIRECTORY));
    const told = run('scripts/buy.ts', [call, '--wallet', `${url}/v1/pay`, '--wallet-token', token], { cwd: elsewhere });
    expect([await told.ended, told.output()]).toEqual([0, expect.stringContaining('200 OK')]);
    expect(await buy(call, '--wallet', url)).toMatchObject({ code: 2, output: expect.stringContaining('must be given together') });
  });

  it('says what is wrong: the limit, the usage, and an invoice that the wallet does not know', async () => {
    const url = `${system.urlOf('gateway')}/premium`;
    expect(await buy(url, '--max-sats', '5')).toMatchObject({
      code: 1,
      output: expect.stringContaining('the price is 100 sats, the limit 5'),
    });
    expect((await buy(url, '--max-sats', '5')).output).toContain('Raise --max-sats');
    for (const address of ['localhost', 'localhost:8402/x'])
      expect(await buy(address)).toMatchObject({ code: 2, output: expect.stringContaining('give exactly one URL, starting with http://') });
    expect(await buy(url, '--nonsense')).toMatchObject({ code: 2, output: expect.stringContaining('--help') });
    expect(await buy(url, '-H', 'nonsense')).toMatchObject({ code: 2 });
    const elsewhere = await startTestSystem([{ name: 'gateway' }]);
    try {
      const unknown = await buy(`${elsewhere.urlOf('gateway')}/call/x`);
      expect([unknown.code, unknown.output]).toEqual([1, expect.stringContaining('invoice_unknown')]);
      expect(unknown.output).toContain('Paid: no');
    } finally {
      await elsewhere.close();
    }
  });
});

describe('the sample API', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startTestSystem([{ name: 'gateway', bundle: 'shipped' }]);
  });
  afterAll(() => system.close());

  it('A7: sells five different things at different prices', async () => {
    const prices: number[] = [];
    for (const [method, path] of [
      ['GET', '/greeting'],
      ['POST', '/privacy-audit'],
      ['GET', '/v1/data/blocks'],
      ['GET', '/agent?svc=primes'],
      ['GET', '/agent?svc=cycle'],
    ] as const) {
      const response = await fetch(`${system.urlOf('gateway')}${path}`, { method });
      prices.push(((await response.json()) as { price_sats: number }).price_sats);
    }
    expect(prices).toEqual([1, 21, 5, 3, 10]);
  });

  it('M17: TRACE is refused with a code of its own and no challenge, on a paid and on a free route', async () => {
    for (const target of ['/greeting', '/health']) {
      const { status, head, body } = await sendRaw(system.ports['gateway']!, { method: 'TRACE', target });
      const { code } = JSON.parse(body) as { code: string };
      expect([status, code, head.toLowerCase().includes('www-authenticate:')], target).toEqual([405, 'method_unsupported', false]);
      expect(head).toMatch(/^allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r?$/im);
    }
    expect(system.origin.seen).toEqual([]);
  });

  it.each([
    ['TRACK', 501],
    ['CONNECT', 500],
    ['get', 501],
  ])('M17: %s never reaches the Worker: the runtime itself answers with %i', async (method, status) => {
    const linesBefore = system.lines.length;
    const answer = await sendRaw(system.ports['gateway']!, { method, target: '/greeting' });
    expect([answer.status, answer.head.toLowerCase().includes('problem+json')]).toEqual([status, false]);
    // A refusal or a challenge of the gateway would have left a line.
    expect(system.lines.slice(linesBefore).filter((line) => line.startsWith('{'))).toEqual([]);
    expect(system.origin.seen).toEqual([]);
  });

  it('no token, preimage, invoice secret or key stands in the log of a whole run', async () => {
    const secrets: string[] = ['b1'.repeat(32), '07'.repeat(32), system.bridge.wallet.token];
    const wallet = async (invoice: string) => {
      const preimage = await system.pay(invoice);
      secrets.push(preimage);
      return preimage;
    };
    const l402Fetch = createL402Fetch({ wallet, maxPriceSats: 100, network: 'regtest' });
    for (const path of ['/greeting?private=querysecret', '/v1/data/x', '/nowhere']) await l402Fetch(`${system.urlOf('gateway')}${path}`);
    const challenged = await fetch(`${system.urlOf('gateway')}/greeting`, { headers: { authorization: 'L402 AAAA:querysecret' } });
    const offer = parseL402Offer(challenged.headers.get('www-authenticate')!);
    secrets.push('querysecret', offer.ok ? offer.value.token : '');
    const log = system.lines.join('\n');
    expect(log).toContain('"event":"use"');
    for (const secret of secrets) expect(log.includes(secret)).toBe(false);
  });
});
