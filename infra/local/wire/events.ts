/** What services tell each other behind the API: events for the bus, and calls for CloudTrail. */
import type { Call } from './traffic.ts';

/** An event as a target gets it. */
export interface BusEvent {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: string;
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: object;
}

/** Puts an event on the default bus. What is not given is that of an event that happens here and now. */
export type Publish = (event: Pick<BusEvent, 'source' | 'detail-type' | 'detail'> & Partial<BusEvent>) => BusEvent;

/** Who calls AWS. `invokedBy` is the service that calls on behalf of the principal, such as `cloudformation.amazonaws.com`. */
export type Principal = { readonly invokedBy?: string } & (
  | { readonly type: 'Root' }
  | { readonly type: 'IAMUser'; readonly userName: string }
  | { readonly type: 'AssumedRole'; readonly roleName: string; readonly sessionName?: string }
  /** A service on its own behalf: it has no ARN. */
  | { readonly type: 'AWSService'; readonly invokedBy: string }
);

/** A call that CloudTrail is told of. */
export interface ApiCall extends Call {
  readonly principal: Principal;
  readonly userAgent: string;
  readonly sourceIPAddress: string;
  /** Why it was refused. */
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

/** Times in events have no fractions of a second. */
export function secondsOnly(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
