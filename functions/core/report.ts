import type { HandOver } from './connection/connection.ts';
import type { Target } from './connection/target.ts';
import type { GrantType } from './credentials.ts';
import type { RefreshError } from './errors.ts';
import type { Profile } from './ports.ts';

/** What became of one connection, in the shape that callers see. Holds no secret. */
export interface ConnectionReport {
  readonly connection: string;
  readonly connectorProfileName: string;
  /** Absent where the secret could not be read. */
  readonly grantType?: GrantType;
  readonly handOver?: HandOver;
  readonly outcome: 'refreshed' | 'would-refresh' | 'up-to-date' | 'in-progress' | 'failed';
  /** ISO 8601; null where Salesforce does not say. Present where something was, or would be, handed over. */
  readonly validUntil?: string | null;
  readonly error?: ShownError;
}

/** What callers see of an error. */
export interface ShownError {
  readonly code: string;
  readonly retryable: boolean;
  readonly message: string;
  readonly hint: string;
}

/** A report and, where it failed, the error behind it, for the log. */
export interface Served {
  readonly report: ConnectionReport;
  readonly error?: RefreshError;
  /** What was asked for, and the profile as it was before; absent where the run did not get so far. */
  readonly asked?: { readonly target: Target; readonly profile: Profile };
}

/** What became of several connections. */
export interface Refreshed {
  /** In the order asked for. */
  readonly served: readonly Served[];
  /** Connections that ran into a bug of ours, with what was thrown: of them there is no report. */
  readonly bugs: readonly { readonly connection: string; readonly error: unknown }[];
}

/** What is known of a connection, whatever becomes of it. */
export type Known = Pick<ConnectionReport, 'connection' | 'connectorProfileName' | 'grantType' | 'handOver'>;

export function failed(known: Known, error: RefreshError): Served {
  return { report: { ...known, outcome: 'failed', error: shown(error) }, error };
}

export function shown({ code, retryable, message, hint }: RefreshError): ShownError {
  return { code, retryable, message, hint };
}
