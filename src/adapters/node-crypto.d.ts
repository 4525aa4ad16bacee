/* What this Worker uses of node:crypto, which workerd has built in; the types of all of Node would promise too much. */
declare module 'node:crypto' {
  interface HmacComputation {
    update(data: Uint8Array): HmacComputation;
    digest(): Uint8Array;
  }
  export function createHmac(algorithm: 'sha256', key: Uint8Array): HmacComputation;
}
