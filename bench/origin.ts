/*
 * The origin of the bench, a process of its own. Tells its address on standard output and ends with its parent.
 */
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type OriginAddress } from './system.ts';

const body = Buffer.from('{"answer":"forty-three bytes of an answer"}');
/** 100 MiB, in pieces of 64 KiB. */
const piece = Buffer.alloc(64 * 1024, 'x');
const LARGE_PIECES = 1600;
const event =
  'event: tick\ndata: {"at":"some hundred bytes, as an event of a model or of a market may well have, and no more than that"}\n\n';
const EVENTS = 50;
/** An origin that works for its answer holds leases, and so objects, for as long. */
const delayMs = Number(process.env['ORIGIN_DELAY_MS'] ?? '0');
const server = createServer((request, response) => {
  request.resume();
  const answer = () => {
    if (request.url === '/down') return sendLarge(response);
    if (request.url === '/events') return sendEvents(response);
    return void response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  };
  request.once('end', () => {
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs);
  });
});
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(JSON.stringify({ url } satisfies OriginAddress));

function sendLarge(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': LARGE_PIECES * piece.length });
  let sent = 0;
  const send = () => {
    while (sent < LARGE_PIECES) {
      sent += 1;
      if (!response.write(piece)) return void response.once('drain', send);
    }
    response.end();
  };
  send();
}

/** Each event in a turn of its own, as they come from something that happens. */
function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  const send = () => {
    if (response.destroyed) return;
    sent += 1;
    response.write(event);
    if (sent < EVENTS) setImmediate(send);
    else response.end();
  };
  send();
}

process.on('disconnect', () => process.exit(0));
