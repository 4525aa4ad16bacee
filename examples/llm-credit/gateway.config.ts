/*
 * A proxy before a language model: payers buy a balance and each call draws its price from it. The model is part of the path, where
 * the upstream reads it too: what is priced is what is run.
 */
import { defineGateway } from 'l402-edge/config';

/** Price of one call, in millisatoshis. */
const MODELS: Readonly<Record<string, bigint>> = { small: 2_000n, medium: 8_000n, large: 40_000n };

const shared = {
  service: 'llm',
  access: { creditSats: 1000 },
  // The upstream's own key: wrangler secret put UPSTREAM_AUTHORIZATION, with the value "Bearer …".
  setHeaders: { authorization: { secret: 'UPSTREAM_AUTHORIZATION' } },
  timeoutSeconds: 120,
};

export const gateway = defineGateway({
  origin: 'https://llm.example.com',
  // An answer that is streamed token by token ends within ten minutes.
  maxStreamSeconds: 600,
  routes: [
    { match: 'GET /v1/models', free: true },
    {
      ...shared,
      match: 'POST /v1/:model/chat/completions',
      rewrite: '/openai/deployments/:model/chat/completions',
      price({ pathParameters: { model = '' } }) {
        const price = MODELS[model];
        if (price === undefined) throw new RangeError('no such model');
        return price;
      },
      minSats: 1,
      maxSats: 100,
      maxBodyBytes: 131_072,
      description: 'Balance for language models',
    },
    {
      ...shared,
      match: 'POST /v1/embeddings',
      price: { perKibibyteSats: 0.25 },
      minSats: 1,
      maxSats: 64,
      description: 'Balance for language models',
    },
  ],
});
