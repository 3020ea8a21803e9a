/** How AWS speaks: what an operation is, how a body is checked against the published shapes, how an error is written. */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Need } from './access.ts';
import type { ServiceName } from './traffic.ts';

export class AwsError extends Error {
  readonly code: string;
  readonly status: number;
  /** SQS once spoke another protocol, and still sends the old code beside the new one. */
  readonly queryCode: string | undefined;

  constructor(code: string, message: string, status = 400, queryCode?: string) {
    super(message);
    this.code = code;
    this.status = status;
    this.queryCode = queryCode;
  }
}

/** What an operation may answer with instead of a JSON body: Lambda needs its own status, headers and raw payload. */
export class RawReply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;

  constructor(status: number, headers: Record<string, string>, body: string) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

export interface Operation {
  /** Checks the body's shape, asks `permit` for each IAM action it takes, and applies it. */
  handle(input: unknown, permit: (need: Need) => void): unknown | Promise<unknown>;
}

export interface Service {
  readonly name: ServiceName;
  readonly protocol: 'json1.0' | 'json1.1' | 'rest-json';
  readonly operations: Readonly<Record<string, Operation>>;
}

/** `needs` lists the IAM actions, `run` applies the call and returns the reply's body (nothing: an empty one). */
export function operation<S extends v.GenericSchema>(
  schema: S,
  needs: (input: v.InferOutput<S>) => readonly Need[],
  run: (input: v.InferOutput<S>) => unknown | Promise<unknown>,
): Operation {
  return {
    handle(input, permit) {
      const parsed = parse(schema, input);
      for (const need of needs(parsed)) permit(need);
      return run(parsed);
    },
  };
}

/** A value of the wrong JSON type is a SerializationException, a value outside its limits a ValidationException: as AWS has it. */
export function parse<S extends v.GenericSchema>(schema: S, input: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const mistyped = result.issues.find((issue) => issue.kind === 'schema' && issue.received !== 'undefined');
  if (mistyped !== undefined && mistyped.type !== 'picklist') {
    throw new AwsError('SerializationException', `Unexpected value type in payload at '${place(mistyped)}'`);
  }
  const details = result.issues.map(
    (issue) => `Value at '${place(issue)}' failed to satisfy constraint: ${rule(issue)}`,
  );
  const count = details.length === 1 ? '1 validation error' : `${details.length} validation errors`;
  throw new AwsError('ValidationException', `${count} detected: ${details.join('; ')}`);
}

function place(issue: v.BaseIssue<unknown>): string {
  const keys = issue.path?.map(({ key }) => String(key)) ?? [];
  return keys.map((key) => key.charAt(0).toLowerCase() + key.slice(1)).join('.');
}

function rule(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === 'schema') {
    return issue.type === 'picklist' && issue.received !== 'undefined'
      ? `Member must satisfy enum value set: [${issue.expected?.replace(/[()"]/g, '').replaceAll(' | ', ', ')}]`
      : 'Member must not be null';
  }
  return issue.message;
}

interface TextLimits {
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: RegExp;
}

/** A string within limits. AWS holds a pattern against the whole string, whether or not it is published with anchors. */
export function text({ min = 0, max = Number.POSITIVE_INFINITY, pattern }: TextLimits) {
  const whole = pattern === undefined ? undefined : new RegExp(`^(?:${pattern.source})$`, pattern.flags);
  return v.pipe(
    v.string(),
    v.check((value) => value.length >= min, `Member must have length greater than or equal to ${min}`),
    v.check((value) => value.length <= max, `Member must have length less than or equal to ${max}`),
    v.check(
      (value) => whole === undefined || whole.test(value),
      `Member must satisfy regular expression pattern: ${pattern?.source}`,
    ),
  );
}

export function integer(min: number, max: number) {
  return v.pipe(
    v.number(),
    v.integer('Member must be an integer'),
    v.minValue(min, `Member must have value greater than or equal to ${min}`),
    v.maxValue(max, `Member must have value less than or equal to ${max}`),
  );
}

export function list<S extends v.GenericSchema>(item: S, max: number, min = 0) {
  return v.pipe(
    v.array(item),
    v.check((items) => items.length >= min, `Member must have length greater than or equal to ${min}`),
    v.check((items) => items.length <= max, `Member must have length less than or equal to ${max}`),
  );
}

/** JSON protocols carry times as seconds, with milliseconds behind the point. */
export function seconds(date: Date): number {
  return date.getTime() / 1000;
}

/**
 * One page of a list. The token is bound to `scope` (the operation and its filters), so that a token of another query is
 * refused, as AWS does; `refuse` is the error for that.
 */
export function page<T>(
  items: readonly T[],
  request: { readonly size: number; readonly token: string | undefined; readonly scope: unknown },
  refuse: () => AwsError,
): { items: readonly T[]; nextToken: string | undefined } {
  const scope = JSON.stringify(request.scope);
  let start = 0;
  if (request.token !== undefined) {
    const decoded = v.safeParse(
      v.pipe(v.string(), v.parseJson(), v.tuple([v.literal(scope), v.number()])),
      Buffer.from(request.token, 'base64url').toString(),
    );
    if (!decoded.success) throw refuse();
    start = decoded.output[1];
  }
  const end = start + request.size;
  const more = end < items.length;
  return {
    items: items.slice(start, end),
    nextToken: more ? Buffer.from(JSON.stringify([scope, end])).toString('base64url') : undefined,
  };
}

/** The error as it goes over the wire: AWS names it in another place in each protocol. */
export function errorReply(service: Service | undefined, error: AwsError): RawReply {
  const headers: Record<string, string> = { 'x-amzn-requestid': randomUUID() };
  if (service?.protocol === 'rest-json') {
    headers['x-amzn-errortype'] = error.code;
    headers['content-type'] = 'application/json';
    const body = service.name === 'lambda' ? { Type: 'User', Message: error.message } : { message: error.message };
    return new RawReply(error.status, headers, JSON.stringify(body));
  }
  headers['content-type'] =
    service?.protocol === 'json1.0' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1';
  if (service?.name === 'sqs') {
    headers['x-amzn-query-error'] = `${error.queryCode ?? error.code};${error.status < 500 ? 'Sender' : 'Receiver'}`;
    return new RawReply(
      error.status,
      headers,
      JSON.stringify({ __type: `com.amazonaws.sqs#${error.code}`, message: error.message }),
    );
  }
  const key = service?.name === 'secretsmanager' ? 'Message' : 'message';
  return new RawReply(error.status, headers, JSON.stringify({ __type: error.code, [key]: error.message }));
}

export function okReply(service: Service, body: unknown): RawReply {
  const types = {
    'json1.0': 'application/x-amz-json-1.0',
    'json1.1': 'application/x-amz-json-1.1',
    'rest-json': 'application/json',
  };
  const headers = { 'x-amzn-requestid': randomUUID(), 'content-type': types[service.protocol] };
  return new RawReply(200, headers, JSON.stringify(body ?? {}));
}
