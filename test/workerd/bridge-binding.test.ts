/* What may be bound under the name of the bridge. */
import { expect, it } from 'vitest';
import { openGateway } from './front-door.ts';

const routes = [{ match: 'GET /call', service: 'call', priceSats: 1 }];

it('a gateway whose bridge is bound to something that takes no requests does not start, and says so', () => {
  for (const BRIDGE of [{}, { get: () => undefined }]) {
    expect(() => openGateway({ routes }, { bindings: { BRIDGE } })).toThrow('BRIDGE: neither a service nor a VPC service');
  }
  expect(openGateway({ routes }, { bindings: { BRIDGE: { fetch: () => Promise.reject(new Error('away')) } } }).seen).toEqual([]);
});
