/*
 * What the check says of a credential that a node takes, whatever its form: too weak to take payments, or strong enough to
 * spend. Pure.
 */
import { type NodeFinding } from '../ports.ts';

/** What a credential may and may not do; nothing when that cannot be read. */
export interface CredentialAudit {
  readonly missing: readonly string[];
  readonly spending: readonly string[];
}

/** How a form of credential is spoken of. */
export interface CredentialWords {
  readonly name: string;
  /** What its rights are written as. */
  readonly rights: string;
  /** Before the calls that it misses. */
  readonly lacks: string;
}

const MOST_NAMED_RIGHTS = 12;

/** The findings of an audit. */
export function inspectCredential(audit: CredentialAudit | undefined, { name, rights, lacks }: CredentialWords): NodeFinding[] {
  if (audit === undefined) {
    const detail = `the ${rights} of the ${name} cannot be read: it may be able to spend`;
    return [{ severity: 'warning', code: 'credential_too_strong', detail }];
  }
  const findings: NodeFinding[] = [];
  if (audit.missing.length > 0) {
    findings.push({ severity: 'problem', code: 'credential_too_weak', detail: `the ${name} ${lacks}: ${audit.missing.join(', ')}` });
  }
  if (audit.spending.length > 0) {
    const named = audit.spending.slice(0, MOST_NAMED_RIGHTS).join(', ');
    const detail = `the ${name} can do more than take payments, and might spend: ${named}`;
    findings.push({ severity: 'warning', code: 'credential_too_strong', detail });
  }
  return findings;
}

/** The call that tells the node's public key is not allowed. */
export function findKeyNeeded(name: string, call: string): NodeFinding {
  const detail = `the ${name} may not call ${call}, so the public key of the node must be stated in the settings`;
  return { severity: 'problem', code: 'credential_too_weak', detail };
}

/** A part of the check that the credential does not let see. */
export function findNotVisible(name: string, { call, consequence }: { call: string; consequence: string }): NodeFinding {
  return { severity: 'note', code: 'not_visible', detail: `the ${name} may not call ${call}: ${consequence}` };
}
