/* The part of npm `macaroon` 3.0.4 that the cross-check uses; the package ships no types. */
declare module 'macaroon' {
  export interface Macaroon {
    readonly identifier: Uint8Array;
    readonly location: string;
    readonly signature: Uint8Array;
    readonly caveats: readonly { readonly identifier: Uint8Array }[];
    addFirstPartyCaveat(condition: string | Uint8Array): void;
    /** Throws when the chain or a condition does not hold. */
    verify(rootKey: Uint8Array, check: (condition: string) => string | null, discharges?: readonly Macaroon[]): void;
  }
  const library: {
    newMacaroon(options: { version?: 1 | 2; rootKey: Uint8Array; identifier: Uint8Array; location?: string }): Macaroon;
    importMacaroon(bytes: Uint8Array | string): Macaroon;
  };
  export default library;
}
