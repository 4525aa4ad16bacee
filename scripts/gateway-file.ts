/*
 * gateway.config.ts as the commands read it before it is bundled: what is wrong with it is said in the terminal where it can be
 * mended, and not in the log of a gateway that answers 500.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { namedSecrets, readConfig } from '#src/config/config.ts';

const FILE = 'gateway.config.ts';

/** What the file exports, or why that cannot be told. */
export async function readGatewayFile(): Promise<Result<unknown, readonly string[]>> {
  try {
    const { gateway } = (await import(new URL(`../${FILE}`, import.meta.url).href)) as { readonly gateway?: unknown };
    return gateway === undefined ? refuse([`${FILE}: exports nothing of the name "gateway"`]) : accept(gateway);
  } catch (error) {
    return refuse([`${FILE}: cannot be read: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** What is wrong with the file, and what its seller should know, whatever variables and secrets a platform has for it. */
export function checkGatewayFile(gateway: unknown): { readonly problems: readonly string[]; readonly warnings: readonly string[] } {
  const isOriginless = (gateway as { readonly origin?: unknown } | null)?.origin === undefined;
  const config = readConfig(gateway, {
    ...Object.fromEntries([...namedSecrets(gateway)].map((name) => [name, 'stand-in'])),
    // A platform may name it; where the file does, that is what is looked at.
    ...(isOriginless ? { ORIGIN_URL: 'http://stand-in.invalid' } : {}),
    BRIDGE_URL: 'http://stand-in.invalid',
    NETWORK: 'regtest',
    TOKEN_SECRET_1: '01'.repeat(32),
    BRIDGE_SECRET: '02'.repeat(32),
    PRICING_SECRET: '03'.repeat(32),
  });
  if (config.ok) return { problems: [], warnings: config.value.warnings };
  return { problems: config.refusal.filter(isOfFile), warnings: [] };
}

/** Each on a line of its own that begins with where it is to be mended. */
export function formatProblems(problems: readonly string[]): string {
  return problems.map((problem) => `  ${isOfFile(problem) ? '' : 'environment: '}${problem}`).join('\n');
}

export function formatWarnings(warnings: readonly string[]): string {
  return warnings.map((warning) => `warning: ${FILE}: ${warning}`).join('\n');
}

function isOfFile(problem: string): boolean {
  return problem.startsWith(`${FILE}: `);
}
