/** Answers and errors as each of AWS's protocols writes them. */
import { randomUUID } from 'node:crypto';
import type { ServiceName } from './traffic.ts';

/** How a service is spoken to. */
export interface Dialect {
  readonly name: ServiceName;
  readonly protocol: keyof typeof CONTENT_TYPES;
}

const CONTENT_TYPES = {
  'json1.0': 'application/x-amz-json-1.0',
  'json1.1': 'application/x-amz-json-1.1',
  'rest-json': 'application/json',
};

export class AwsError extends Error {
  readonly code: string;
  readonly status: number;
  /** SQS once spoke another protocol, and still sends the old code beside the new one. */
  readonly queryCode: string;

  constructor(code: string, message: string, status = 400, queryCode = code) {
    super(message);
    this.code = code;
    this.status = status;
    this.queryCode = queryCode;
  }
}

/** Makes the errors of one code. */
export function errorOf(code: string, status?: number): (message: string) => AwsError {
  return (message) => new AwsError(code, message, status);
}

/** What an operation may answer with instead of a JSON body: Lambda needs its own status, headers and raw payload. */
export class RawReply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;

  constructor(status: number, headers: Record<string, string>, body: string) {
    this.status = status;
    this.headers = { 'x-amzn-requestid': randomUUID(), ...headers };
    this.body = body;
  }
}

export function okReply({ protocol }: Dialect, body: unknown): RawReply {
  return new RawReply(200, { 'content-type': CONTENT_TYPES[protocol] }, JSON.stringify(body ?? {}));
}

/** AWS names an error in another place in each protocol. Without a service, nobody knew the request. */
export function errorReply(service: Dialect | undefined, { code, message, status, queryCode }: AwsError): RawReply {
  const { name, protocol = 'json1.1' } = service ?? {};
  const reply = (body: object, headers: Record<string, string> = {}) =>
    new RawReply(status, { 'content-type': CONTENT_TYPES[protocol], ...headers }, JSON.stringify(body));
  if (protocol === 'rest-json') {
    return reply(name === 'lambda' ? { Type: 'User', Message: message } : { message }, { 'x-amzn-errortype': code });
  }
  if (name === 'sqs') {
    const fault = status < 500 ? 'Sender' : 'Receiver';
    return reply({ __type: `com.amazonaws.sqs#${code}`, message }, { 'x-amzn-query-error': `${queryCode};${fault}` });
  }
  return reply({ __type: code, [name === 'secretsmanager' ? 'Message' : 'message']: message });
}

/** JSON protocols carry times as seconds, with milliseconds behind the point. */
export function seconds(date: Date): number {
  return date.getTime() / 1000;
}
