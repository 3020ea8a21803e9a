/** What a run asks of the world: one call of a port, or a wait. Plain data, so that it can be compared, stored and told. */
export type Call =
  /** An invocation begins. `milliseconds` is what it may take. */
  | { readonly op: 'start'; readonly milliseconds: number }
  | { readonly op: 'sleep'; readonly milliseconds: number }
  | { readonly op: 'timer'; readonly milliseconds: number }
  /** Operator's secret and token secret, in one answer. */
  | { readonly op: 'values' }
  /** The operator's secret. */
  | { readonly op: 'value' }
  | { readonly op: 'describe' }
  | { readonly op: 'list' }
  | { readonly op: 'profiles' }
  | { readonly op: 'handOver'; readonly access: string; readonly refresh: string | undefined }
  | { readonly op: 'exchange'; readonly token: string }
  | { readonly op: 'tryAccess'; readonly access: string }
  | { readonly op: 'current'; readonly isOperators: boolean }
  | { readonly op: 'version'; readonly versionId: string }
  | { readonly op: 'stages' }
  | { readonly op: 'youngVersions' }
  | { readonly op: 'create'; readonly versionId: string; readonly value: string }
  | {
      readonly op: 'put';
      readonly versionId: string;
      readonly value: string;
      readonly stages: readonly string[] | undefined;
    }
  | {
      readonly op: 'moveStage';
      readonly stage: string;
      readonly from: string | undefined;
      readonly to: string | undefined;
    }
  | { readonly op: 'keep'; readonly value: string }
  | { readonly op: 'find' }
  | { readonly op: 'remove' };

export type Op = Call['op'];

/** A call that is under way. A run never has two of one operation under way, so `op` names it. */
export interface Request {
  readonly call: Call;
  /** Tells a request from an earlier one of the same operation. */
  readonly serial: number;
  /** The deadline of the invocation that sent it, by the run's own clock. */
  readonly deadline: number;
}

/** How a call ends. It travels as JSON: it is part of what a run has observed. */
export type Answer =
  | { readonly ok: unknown }
  | {
      readonly error: string;
      /** Whether the caller cannot know what became of it. */
      readonly isUnanswered?: boolean;
      /** AppFlow tried the credentials in vain. */
      readonly isRejected?: boolean;
    };

export const OK = '{"ok":true}';

export function ok(value: unknown): string {
  return JSON.stringify({ ok: value });
}

export function refusal(error: string): string {
  return JSON.stringify({ error });
}

/** Waits change nothing and cannot be refused. */
export function isWait(op: Op): boolean {
  return op === 'start' || op === 'sleep' || op === 'timer';
}

/** Whether the call may change something, so that it matters whether it was applied. */
export function isChange(op: Op): boolean {
  return (
    op === 'handOver' ||
    op === 'exchange' ||
    op === 'create' ||
    op === 'put' ||
    op === 'moveStage' ||
    op === 'keep' ||
    op === 'remove'
  );
}

/** The code of an error by which a call fails for now. */
export function unavailable(op: Op): string {
  if (op === 'exchange' || op === 'tryAccess') return 'SALESFORCE_UNAVAILABLE';
  return op === 'handOver' || op === 'profiles' ? 'APPFLOW_UNAVAILABLE' : 'SECRETS_UNAVAILABLE';
}
