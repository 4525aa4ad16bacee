/* The part of node:crypto that this Worker uses; workerd has it built in. The types of all of Node would promise too much. */
declare module 'node:crypto' {
  interface HmacComputation {
    update(data: Uint8Array): HmacComputation;
    digest(): Uint8Array;
  }
  export function createHmac(algorithm: 'sha256', key: Uint8Array): HmacComputation;
}
