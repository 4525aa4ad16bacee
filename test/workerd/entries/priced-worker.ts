/* The Worker of the tests of prices over real sockets: the one that ships, with a pricing service beside its origin. */
import { env } from 'cloudflare:workers';
import { defineGateway } from '#src/config/config.ts';
import { createWorker } from '#src/worker.ts';

export * from '#durable-objects/objects.ts';

const { ORIGIN_URL } = env as unknown as { readonly ORIGIN_URL: string };

export default createWorker(
  defineGateway({
    routes: [
      { match: 'GET /count', service: 'count', price: { parameter: 'n', unitSats: 2, max: 1000 } },
      { match: 'GET /header', service: 'header', price: { header: 'x-model', sats: { small: 1, large: 20 } } },
      { match: '/size', service: 'size', price: { perKibibyteSats: 1 }, maxSats: 100 },
      {
        match: 'POST /asked/*',
        service: 'asked',
        price: { service: `${ORIGIN_URL}/prices`, bodyPrefixBytes: 64, cacheSeconds: 0 },
        minSats: 1,
        maxSats: 100,
      },
    ],
  }),
);
