/*
 * Findings about a node's credential, whatever its form: too weak to accept payments, or strong enough to spend. Pure.
 */
import { type NodeFinding } from '../ports.ts';

/** What a credential may and may not do. */
export interface CredentialAudit {
  readonly missing: readonly string[];
  readonly spending: readonly string[];
}

/** Terms for a form of credential. */
export interface CredentialWords {
  readonly name: string;
  /** The term for its rights. */
  readonly rights: string;
  /** The words before a list of missing calls. */
  readonly lacks: string;
}

const MOST_NAMED_RIGHTS = 12;

/** Returns the findings of an audit; `undefined`: the credential could not be read. */
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

/** Returns the finding that the call for the node's public key is not allowed. */
export function findKeyNeeded(name: string, call: string): NodeFinding {
  const detail = `the ${name} may not call ${call}, so the public key of the node must be stated in the settings`;
  return { severity: 'problem', code: 'credential_too_weak', detail };
}

/** Returns the finding that the credential hides a part of the inspection. */
export function findNotVisible(name: string, { call, consequence }: { call: string; consequence: string }): NodeFinding {
  return { severity: 'note', code: 'not_visible', detail: `the ${name} may not call ${call}: ${consequence}` };
}
