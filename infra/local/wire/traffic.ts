/** What every local service shares: how a test looks at its traffic and breaks it. */

export type ServiceName =
  | 'appflow'
  | 'secretsmanager'
  | 'ssm'
  | 'kms'
  | 'sqs'
  | 'lambda'
  | 'logs'
  | 'events'
  | 'cloudtrail'
  | 'salesforce';

/** One request as it reached a local service. `input` is the parsed body; it holds secrets, so print only the names. */
export interface Call {
  readonly service: ServiceName;
  /** The API's own name (`UpdateConnectorProfile`, `PutSecretValue`); for Salesforce the endpoint and grant (`token:refresh_token`, `userinfo`, `introspect`). */
  readonly operation: string;
  readonly input: unknown;
  /** As the program that calls says; of AWS's services alone. */
  readonly userAgent?: string;
}

/**
 * What a test makes of a call instead of the true answer. `status`/`code` answers with that error in the protocol of the
 * service (for Salesforce: `code` is the OAuth `error`, `message` its description); `drop` cuts the connection.
 */
export type Fault = { readonly status: number; readonly code: string; readonly message?: string } | 'drop';

/**
 * Asked twice for each call: `before` it is applied (a fault then means: it never happened) and `after` it was applied (a
 * fault then means: it happened, but the caller does not learn of it). May wait before it answers, or kill the caller.
 */
export type Intercept = (call: Call, phase: 'before' | 'after') => Fault | undefined | Promise<Fault | undefined>;

export interface LocalServiceOptions {
  /** The clock that the service lives by. */
  readonly now: () => Date;
  readonly intercept?: Intercept | undefined;
}
