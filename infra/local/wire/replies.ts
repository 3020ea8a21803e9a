/** Answers and errors as each of AWS's protocols writes them. */
import { randomUUID } from 'node:crypto';
import type { AwsError } from './error.ts';
import type { Service } from './operation.ts';

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

const CONTENT_TYPES = {
  'json1.0': 'application/x-amz-json-1.0',
  'json1.1': 'application/x-amz-json-1.1',
  'rest-json': 'application/json',
};

export function okReply(service: Service, body: unknown): RawReply {
  const headers = { 'x-amzn-requestid': randomUUID(), 'content-type': CONTENT_TYPES[service.protocol] };
  return new RawReply(200, headers, JSON.stringify(body ?? {}));
}

/** The error as it goes over the wire: AWS names it in another place in each protocol. Without a service, nobody knew the request. */
export function errorReply(service: Service | undefined, error: AwsError): RawReply {
  const { code, message, status } = error;
  const headers: Record<string, string> = {
    'x-amzn-requestid': randomUUID(),
    'content-type': CONTENT_TYPES[service?.protocol ?? 'json1.1'],
  };
  const reply = (body: object) => new RawReply(status, headers, JSON.stringify(body));
  if (service?.protocol === 'rest-json') {
    headers['x-amzn-errortype'] = code;
    return reply(service.name === 'lambda' ? { Type: 'User', Message: message } : { message });
  }
  if (service?.name === 'sqs') {
    headers['x-amzn-query-error'] = `${error.queryCode ?? code};${status < 500 ? 'Sender' : 'Receiver'}`;
    return reply({ __type: `com.amazonaws.sqs#${code}`, message });
  }
  return reply({ __type: code, [service?.name === 'secretsmanager' ? 'Message' : 'message']: message });
}

/** JSON protocols carry times as seconds, with milliseconds behind the point. */
export function seconds(date: Date): number {
  return date.getTime() / 1000;
}
