/*
 * Reads gateway.config.ts for commands, before it is bundled: its problems are printed in the terminal, where they can be
 * fixed, and not in the log of a gateway that answers 500. Effects: imports the file.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { namedSecrets, readConfig } from '#src/config/config.ts';

const FILE = 'gateway.config.ts';

/** Returns the export of the file, or why it cannot be read. */
export async function readGatewayFile(): Promise<Result<unknown, readonly string[]>> {
  try {
    const { gateway } = (await import(new URL(`../${FILE}`, import.meta.url).href)) as { readonly gateway?: unknown };
    return gateway === undefined ? refuse([`${FILE}: has no export named "gateway"`]) : accept(gateway);
  } catch (error) {
    return refuse([`${FILE}: cannot be read: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** Returns the problems and warnings of the file that do not depend on a platform's variables and secrets. */
export function checkGatewayFile(gateway: unknown): { readonly problems: readonly string[]; readonly warnings: readonly string[] } {
  const isOriginless = (gateway as { readonly origin?: unknown } | null)?.origin === undefined;
  const config = readConfig(gateway, {
    ...Object.fromEntries([...namedSecrets(gateway)].map((name) => [name, 'stand-in'])),
    // A platform may set it; if the file does, the file's value is checked.
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

/** Formats each problem on its own line, beginning with where to fix it. */
export function formatProblems(problems: readonly string[]): string {
  return problems.map((problem) => `  ${isOfFile(problem) ? '' : 'environment: '}${problem}`).join('\n');
}

export function formatWarnings(warnings: readonly string[]): string {
  return warnings.map((warning) => `warning: ${FILE}: ${warning}`).join('\n');
}

function isOfFile(problem: string): boolean {
  return problem.startsWith(`${FILE}: `);
}
