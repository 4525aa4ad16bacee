/*
 * A token that is from this gateway and paid; its whole identifier decides whether it is revoked (M30). Types only.
 */
import { type VerifiedToken } from '#protocol/token.ts';

export type ProvedToken = VerifiedToken & { readonly identifier: Uint8Array };
