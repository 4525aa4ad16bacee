/*
 * A token that is ours and has been paid for; the whole of what it signs tells whether it has been revoked (M30). Types only.
 */
import { type VerifiedToken } from '#protocol/token.ts';

export type ProvedToken = VerifiedToken & { readonly identifier: Uint8Array };
