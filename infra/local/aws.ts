/**
 * A local AWS: one loopback server for AppFlow, Secrets Manager, Parameter Store, KMS, SQS and Lambda. It holds callers to the
 * published rules, and never helps them where the real services would not.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OAuth2GrantType } from '@aws-sdk/client-appflow';
import { type AppFlowState, createAppFlow } from './appflow/appflow.ts';
import type { SalesforceEndpoints } from './appflow/connection.ts';
import { createKms, type KmsState } from './kms/kms.ts';
import { createEventSourceMapping, type EventSourceMapping } from './lambda/event-source-mapping.ts';
import { createFunctions, type Invoke } from './lambda/lambda.ts';
import { createParameterStore, type ParameterState } from './parameter-store/parameter-store.ts';
import { createQueues, type QueueState } from './queue/queue.ts';
import { createSecretsManager } from './secrets-manager/secrets-manager.ts';
import type { SecretsState } from './secrets-manager/state.ts';
import { Access, type Denial } from './wire/access.ts';
import type { Environment } from './wire/environment.ts';
import { AwsError } from './wire/error.ts';
import { listen } from './wire/loopback.ts';
import type { Service } from './wire/operation.ts';
import { errorReply, okReply, RawReply } from './wire/replies.ts';
import { type Routed, route } from './wire/routes.ts';
import type { Call, Fault, LocalServiceOptions } from './wire/traffic.ts';

export interface LocalAwsOptions extends LocalServiceOptions {
  /** `us-east-1` unless given. */
  readonly region?: string;
  /** `123456789012` unless given. */
  readonly accountId?: string;
  /** How AppFlow reaches Salesforce. Without it credentials are only held against the limits. */
  readonly salesforce?: SalesforceEndpoints | undefined;
  /** Stands for Lambda: Invoke, RotateSecret and the event source mapping run functions through it. */
  readonly invoke?: Invoke | undefined;
  /** What DescribeConnectors lists for Salesforce; without CLIENT_CREDENTIALS unless given. */
  readonly supportedGrants?: readonly OAuth2GrantType[];
  /** IAM permissions that the callers lack. */
  readonly deny?: readonly Denial[];
}

export interface LocalAws {
  /** `http://127.0.0.1:PORT`, for all services */
  readonly url: string;
  /** What a program needs in its environment to talk to this AWS and to no other. */
  readonly env: Readonly<Record<string, string>>;
  /** Every request so far, in the order of arrival, those that were refused or cut included. */
  readonly calls: readonly Call[];
  /** Empties `calls`. */
  forget(): void;
  readonly access: Pick<Access, 'deny'>;
  readonly appflow: AppFlowState;
  readonly secrets: SecretsState;
  readonly parameters: ParameterState;
  readonly kms: KmsState;
  readonly queue: QueueState & EventSourceMapping;
  /** Resolves when every rotation, flow run and asynchronous invocation has ended. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function startAws(options: LocalAwsOptions): Promise<LocalAws> {
  const { now, region = 'us-east-1', accountId = '123456789012' } = options;
  const env: Environment = {
    now,
    region,
    accountId,
    arn: (service, resource) => `arn:aws:${service}:${region}:${accountId}:${resource}`,
  };
  const access = new Access(accountId, options.deny);
  const calls: Call[] = [];
  let url = '';

  const functions = createFunctions(env, options.invoke);
  const secrets = createSecretsManager(env, access, functions.invoke);
  const appflow = createAppFlow(env, options.salesforce, (arn) => secrets.readForService(arn));
  if (options.supportedGrants !== undefined) appflow.state.supportedGrants = options.supportedGrants;
  const parameters = createParameterStore(env);
  const kms = createKms(env);
  const queues = createQueues(env, () => url);
  const mapping = createEventSourceMapping(env, queues, functions.invoke);
  const services = [appflow, secrets, parameters, kms, queues, functions].map(({ service }) => service);

  /** `drop` stands for a connection that broke. */
  async function answer(routed: Routed): Promise<RawReply | 'drop'> {
    const { service, operation: name, input } = routed;
    const call: Call = { service: service.name, operation: name, input };
    calls.push(call);
    const before = await options.intercept?.(call, 'before');
    if (before !== undefined) return fault(service, before);
    let reply: RawReply;
    try {
      const operation = service.operations.find((one) => one.name === name);
      if (operation === undefined) throw unknownOperation(service);
      const body = await operation.handle(input, (need) => access.check(need));
      reply = body instanceof RawReply ? body : okReply(service, body);
    } catch (error) {
      reply = errorReply(service, asAwsError(error));
    }
    const after = await options.intercept?.(call, 'after');
    return after === undefined ? reply : fault(service, after);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    let reply: RawReply | 'drop';
    try {
      reply = await answer(route(services, request, Buffer.concat(chunks).toString(), region));
    } catch (error) {
      reply = errorReply(undefined, asAwsError(error));
    }
    if (reply === 'drop') {
      request.socket.destroy();
      return;
    }
    response.writeHead(reply.status, reply.headers).end(reply.body);
  }

  const server = await listen(options.port, serve);
  url = server.url;

  return {
    url,
    env: environmentOf(url, region),
    calls,
    forget() {
      calls.length = 0;
    },
    access,
    appflow: appflow.state,
    secrets: secrets.state,
    parameters: parameters.state,
    kms: kms.state,
    queue: { ...queues.state, ...mapping },
    async settled() {
      await Promise.all([functions.settled(), secrets.state.settled(), appflow.state.settled()]);
    },
    async close() {
      await server.close();
      await queues.close();
    },
  };
}

function environmentOf(url: string, region: string): Record<string, string> {
  const endpoints = ['APPFLOW', 'SECRETS_MANAGER', 'SSM', 'KMS', 'SQS', 'LAMBDA'].map((name) => [
    `AWS_ENDPOINT_URL_${name}`,
    url,
  ]);
  return {
    ...Object.fromEntries(endpoints),
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
}

function unknownOperation({ protocol }: Service): AwsError {
  return new AwsError('UnknownOperationException', '', protocol === 'rest-json' ? 404 : 400);
}

function fault(service: Service, injected: Fault): RawReply | 'drop' {
  if (injected === 'drop') return 'drop';
  return errorReply(service, new AwsError(injected.code, injected.message ?? '', injected.status));
}

function asAwsError(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  return new AwsError('InternalFailure', error instanceof Error ? `${error.name}: ${error.message}` : 'unknown', 500);
}
