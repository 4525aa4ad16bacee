/*
 * A client that keeps its connections and tells apart an answer from a connection that ended.
 */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  /** Of a refusal; empty when the origin has answered. */
  readonly code: string;
  /** What the answer says is left, in its unit. */
  readonly left: number | undefined;
  /** Of a challenge. */
  readonly token: string | undefined;
}

export interface Call {
  readonly port: number;
  readonly path: string;
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Caller {
  /** Sends one request; `cut` when no whole answer came. */
  readonly call: (call: Call) => Promise<Answer | 'cut'>;
  /** Forgets every connection. */
  readonly hangUp: () => void;
}

/** A client of its own connections. */
export function createCaller(): Caller {
  let agent = new Agent({ keepAlive: true });
  return {
    call: ({ port, path, authorization, headers = {} }) =>
      new Promise((resolve) => {
        const cut = () => resolve('cut');
        const fields = { ...(authorization === undefined ? {} : { authorization }), ...headers };
        const sent = request({ agent, port, host: '127.0.0.1', path, headers: fields }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => void chunks.push(chunk));
          response.once('error', cut);
          response.once('close', () => {
            if (!response.complete) return cut();
            const { statusCode: status = 0, headers: fields } = response;
            const isProblem = fields['content-type'] === 'application/problem+json';
            const body = isProblem ? (JSON.parse(Buffer.concat(chunks).toString()) as Body) : {};
            const told = fields['l402-remaining'] ?? fields['l402-remaining-msat'] ?? body.remaining ?? body.remaining_msat;
            resolve({ status, code: body.code ?? '', left: told === undefined ? undefined : Number(told), token: body.token });
          });
        });
        sent.once('error', cut);
        sent.end();
      }),
    hangUp() {
      agent.destroy();
      agent = new Agent({ keepAlive: true });
    },
  };
}

interface Body {
  readonly code?: string;
  readonly remaining?: number;
  readonly remaining_msat?: number;
  readonly token?: string;
}
