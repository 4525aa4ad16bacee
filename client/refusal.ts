/*
 * What a 402 says about the credential that was sent, in the codes of docs/status-codes.md. A new offer does not make the
 * credential worthless: too little for one call may be enough for others (M47). Effects: reads the body.
 */

/** `over`: it buys nothing any more. `not_here`: it does not buy this. `unsaid`: the server says only 402. */
export type Verdict = 'over' | 'not_here' | 'unsaid';

/** A refusal of this gateway has some 2 KiB. */
const MOST_BODY_BYTES = 65_536;

/** Reads the verdict; the body stays readable for the caller. */
export async function readVerdict(response: Response): Promise<Verdict> {
  if (!/^application\/problem\+json\b/i.test(response.headers.get('content-type') ?? '')) return 'unsaid';
  const problem = await readProblem(response.clone());
  const code = problem['code'];
  // The gateway has seen no credential, so it says nothing about one.
  if (typeof code !== 'string' || code === 'payment_required') return 'unsaid';
  return isOver(code, problem) ? 'over' : 'not_here';
}

function isOver(code: string, problem: Readonly<Record<string, unknown>>): boolean {
  switch (code) {
    case 'token_expired':
    case 'token_revoked':
      return true;
    case 'payment_spent':
      // A balance too small for this call, or with an unstated remainder, may be enough for another.
      return (problem['remaining'] ?? problem['remaining_msat']) === 0;
    default:
      // A narrowed token, or one of another key, service or price, may be good elsewhere or later.
      return false;
  }
}

/** Reads the fields of a problem body; empty if it is too long, breaks off or is not an object. */
async function readProblem({ body }: Response): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(body === null ? '' : await readText(body));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

async function readText(body: ReadableStream<Uint8Array>): Promise<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    length += value.byteLength;
    if (length > MOST_BODY_BYTES) {
      // Not awaited: cancelling a copy completes only with its original.
      void reader.cancel().catch(() => {});
      throw new RangeError('the body is too long');
    }
    text += decoder.decode(value, { stream: true });
  }
}
