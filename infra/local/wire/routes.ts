/** Which service and operation a request is for, by its target header or its path, and whether it is signed for it. */
import type { IncomingMessage } from 'node:http';
import type { Service } from './operation.ts';
import { AwsError } from './replies.ts';
import type { ServiceName } from './traffic.ts';

export interface Routed {
  readonly service: Service;
  readonly operation: string;
  readonly input: unknown;
  readonly caller: Caller;
}

/** What a request tells of the one who sent it. */
export interface Caller {
  readonly accessKeyId: string;
  /** Empty where there is none. */
  readonly userAgent: string;
  readonly sourceIPAddress: string;
}

const TARGETS: Readonly<Record<string, ServiceName>> = {
  secretsmanager: 'secretsmanager',
  AmazonSSM: 'ssm',
  TrentService: 'kms',
  AmazonSQS: 'sqs',
  Logs_20140328: 'logs',
  AWSEvents: 'events',
  CloudTrail_20131101: 'cloudtrail',
};

/** @throws AwsError for what no service here would take. */
export function route(services: readonly Service[], request: IncomingMessage, body: string, region: string): Routed {
  const { service, operation, input } = destination(services, request, body);
  const { headers, socket } = request;
  const caller = {
    accessKeyId: checkSignature(headers.authorization, service.name, region),
    userAgent: headers['user-agent'] ?? '',
    sourceIPAddress: socket.remoteAddress ?? '127.0.0.1',
  };
  return { service, operation, input: input(), caller };
}

function destination(services: readonly Service[], { url = '/', method, headers }: IncomingMessage, body: string) {
  const find = (name: ServiceName | undefined) => {
    const service = services.find((one) => one.name === name);
    if (service === undefined) throw new AwsError('UnknownOperationException', '', 404);
    return service;
  };
  const target = headers['x-amz-target'];
  if (typeof target === 'string') {
    // CloudTrail's may have the path of a package before it.
    const [prefix = '', operation = ''] = target.split('.').slice(-2);
    return { service: find(TARGETS[prefix]), operation, input: () => json(body) };
  }
  const path = new URL(url, 'http://localhost').pathname;
  const invocation = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(path);
  if (method === 'POST' && invocation !== null) {
    const input = {
      FunctionName: decodeURIComponent(invocation[1] ?? ''),
      InvocationType: headers['x-amz-invocation-type'],
      Payload: body,
    };
    return { service: find('lambda'), operation: 'Invoke', input: () => input };
  }
  // AppFlow spells its operations with hyphens: /update-connector-profile.
  const words = /^\/([a-z]+(?:-[a-z]+)+)$/.exec(path)?.[1];
  if (method !== 'POST' || words === undefined) throw new AwsError('UnknownOperationException', '', 404);
  const operation = words.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return { service: find('appflow'), operation, input: () => json(body) };
}

/** The signature itself is not checked, only that there is one, for this service and Region. Returns the id of the access key. */
function checkSignature(authorization: string | undefined, service: ServiceName, region: string): string {
  const refuse = (code: string, message: string) => new AwsError(code, message, 403);
  if (authorization === undefined) {
    throw refuse('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const scope = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(authorization);
  if (scope === null) {
    throw refuse('IncompleteSignatureException', 'Authorization header is not an AWS signature.');
  }
  const wrong = (wanted: string) => refuse('InvalidSignatureException', `Credential should be scoped to ${wanted}.`);
  const [, accessKeyId = '', scopedRegion, scopedService] = scope;
  if (scopedRegion !== region) throw wrong(`a valid region, not '${scopedRegion}'`);
  if (scopedService !== service) throw wrong(`correct service: '${service}'`);
  return accessKeyId;
}

function json(body: string): unknown {
  if (body === '') return {};
  try {
    // A member that is null counts as one that was not sent.
    return JSON.parse(body, (_name, value: unknown) => value ?? undefined);
  } catch {
    throw new AwsError('SerializationException', 'Could not parse the request body as JSON.');
  }
}
