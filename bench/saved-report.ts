/*
 * What `npm run bench -- --json` has printed, read back; and the line that a release leaves in history.md. Pure.
 */
import { type Report, type Summary, type Surroundings } from './report.ts';

/** Everything of the object that is no case. */
const SURROUNDINGS: Readonly<Record<keyof Surroundings, true>> = {
  machine: true,
  rounds: true,
  seconds: true,
  yardstick: true,
  bundle: true,
  startup_ms: true,
  startup: true,
  compare: true,
  flood: true,
  memory: true,
  void: true,
};

/** One object, in which each case stands beside the rest by its name. */
export function formatSaved({ cases, ...surroundings }: Report): string {
  return JSON.stringify({ ...surroundings, ...cases });
}

/** Reads what was saved; throws at anything else. */
export function readSaved(json: string): Report {
  const saved = JSON.parse(json) as Record<string, unknown>;
  const isCase = (key: string) => !Object.hasOwn(SURROUNDINGS, key);
  const cases = Object.entries(saved).filter(([key]) => isCase(key));
  const surroundings = Object.fromEntries(Object.entries(saved).filter(([key]) => !isCase(key)));
  if (surroundings['machine'] === undefined || cases.some(([, one]) => typeof (one as Partial<Summary> | null)?.rps !== 'number')) {
    throw new Error('not what `npm run bench -- --json` prints');
  }
  return { ...(surroundings as unknown as Surroundings), cases: Object.fromEntries(cases) as Record<string, Summary> };
}

/** Cases whose ratios tell a release from the one before. */
export const HISTORY_CASES = [
  'free',
  'pass',
  'pass_many',
  'single_use',
  'hot_token',
  'policy',
  'challenge_pool',
  'challenge_direct',
  'garbage',
] as const;

/** A row of the table in history.md. */
export function formatHistoryRow({ machine, bundle, startup, cases }: Report): string {
  const ratio = (name: string) => {
    const found = cases[name];
    return found?.ratio === undefined ? '–' : `${found.ratio} of ${found.against}`;
  };
  const cells = [
    machine.date,
    machine.commit,
    `${machine.cpu}, ${machine.cores} cores`,
    ...HISTORY_CASES.map(ratio),
    String(bundle.gzip_bytes),
    startup === undefined ? '–' : String(startup.cpu_ms),
  ];
  return `| ${cells.join(' | ')} |`;
}
