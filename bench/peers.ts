/*
 * What peers do, measured by us on the same kind of machine, but not in the same run as anything else here: each figure has its
 * conditions beside it, and is shown with them.
 */

export interface PeerFigure {
  readonly title: string;
  /** The case of ours that comes nearest. */
  readonly like: string;
  /** Least and most of several runs. */
  readonly rps: readonly [number, number];
  readonly cpu_us: readonly [number, number];
}

export interface Peer {
  readonly name: string;
  readonly conditions: string;
  readonly date: string;
  readonly figures: readonly PeerFigure[];
}

export const PEERS: readonly Peer[] = [
  {
    name: 'Aperture',
    conditions:
      'commit 8c8dbce, SQLite, `strictverify: false`, a Go origin that answers 43 bytes, LND 0.20.0-beta on regtest, two cores shared by all of it, wrk with one thread and 32 connections for 8 s; the bare workerd proxy, alternating with it, had 5200–6230 requests/s',
    date: '2026-11-21',
    figures: [
      { title: 'one paid token reused', like: 'pass', rps: [4770, 6160], cpu_us: [209, 256] },
      { title: 'a 402 with its invoice, by a real LND', like: 'challenge_direct', rps: [586, 586], cpu_us: [1441, 1441] },
    ],
  },
];
