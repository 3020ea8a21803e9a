/**
 * A local AWS: one loopback server for AppFlow, Secrets Manager, Parameter Store, KMS, SQS, Lambda, CloudWatch Logs, EventBridge and CloudTrail. It
 * holds callers to the published rules, and never helps them where the real services would not.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createAppFlow } from './appflow/appflow.ts';
import { createCloudTrail } from './cloudtrail/cloudtrail.ts';
import { createBus } from './events/bus.ts';
import { createPutEvents } from './events/put-events.ts';
import { createKms } from './kms/kms.ts';
import { createEventSourceMapping } from './lambda/event-source-mapping.ts';
import { createFunctions, type Invoke, UnknownFunction } from './lambda/lambda.ts';
import { createLogs } from './logs/logs.ts';
import { createParameterStore } from './parameter-store/parameter-store.ts';
import { createQueues } from './queue/queue.ts';
import { createSecretsManager } from './secrets-manager/secrets-manager.ts';
import { Access } from './wire/access.ts';
import { formed, plainForms } from './wire/forms.ts';
import { listen } from './wire/loopback.ts';
import type { Environment, Service } from './wire/operation.ts';
import { AwsError, errorReply, okReply, RawReply } from './wire/replies.ts';
import { type Routed, route } from './wire/routes.ts';
import type { Call, Fault, LocalServiceOptions } from './wire/traffic.ts';

export interface LocalAwsOptions extends LocalServiceOptions {
  /** Where AppFlow reaches Salesforce. Without it credentials are only held against the limits. */
  readonly salesforceUrl?: string;
  /** Stands for Lambda: Invoke, RotateSecret and the event source mapping run functions through it. Knows none unless given. */
  readonly invoke?: Invoke;
  /** Waits by the clock of the services; not at all unless given. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
  /** Names the role that a program with this user agent has, for CloudTrail; otherwise the access key alone says who calls. */
  readonly roleOf?: (userAgent: string) => string | undefined;
}

export type LocalAws = Awaited<ReturnType<typeof startAws>>;

export async function startAws(options: LocalAwsOptions) {
  const region = 'us-east-1';
  const accountId = '123456789012';
  const access = new Access(accountId);
  const env: Environment = {
    now: options.now,
    region,
    accountId,
    access,
    forms: plainForms(),
    arn: (service, resource) => `arn:aws:${service}:${region}:${accountId}:${resource}`,
  };
  const calls: Call[] = [];
  let url = '';

  const functions = createFunctions(env, options.invoke ?? ((name) => Promise.reject(new UnknownFunction(name))));
  const secrets = createSecretsManager(env, functions.invoke);
  const bus = createBus(env, functions.invoke, options.sleep ?? (async () => undefined));
  const trail = createCloudTrail(env, bus.publish, options.roleOf ?? (() => undefined));
  const appflow = createAppFlow(env, options.salesforceUrl, (arn) => secrets.readForService(arn), {
    publish: bus.publish,
    record: trail.record,
  });
  const parameters = createParameterStore(env);
  const kms = createKms(env);
  const queues = createQueues(env, () => url);
  const logs = createLogs(env);
  const mapping = createEventSourceMapping(env, queues.queues, functions.invoke);
  const services = [
    ...[appflow, secrets, parameters, kms, queues, functions, logs, trail].map(({ service }) => service),
    createPutEvents(env, bus.publish),
  ];

  /** `drop` stands for a connection that broke. */
  async function answer(routed: Routed): Promise<RawReply | 'drop'> {
    const { service, operation: name, input, caller } = routed;
    const call: Call = { service: service.name, operation: name, input, userAgent: caller.userAgent };
    calls.push(call);
    const before = await options.intercept?.(call, 'before');
    const record = (error?: { readonly code: string; readonly message: string }) =>
      trail.record({ ...call, ...caller, principal: trail.principalOf(caller), error });
    if (before !== undefined) {
      // What never arrived was never refused either.
      if (before !== 'drop') record({ code: before.code, message: before.message ?? '' });
      return fault(service, before);
    }
    let reply: RawReply;
    let told: unknown;
    try {
      const operation = service.operations.get(name);
      if (operation === undefined) throw unknownOperation(service);
      told = await operation(input);
      if (!(told instanceof RawReply)) told = formed(told, env.forms);
      reply = told instanceof RawReply ? told : okReply(service, told);
      record();
    } catch (error) {
      const refusal = asAwsError(error);
      reply = errorReply(service, refusal);
      record(refusal);
    }
    const instead = env.forms.retell?.(call, told);
    if (instead !== undefined) reply = instead instanceof RawReply ? instead : okReply(service, instead);
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
    // By the clock of the services, which callers may read off it: Node would write its own.
    response.writeHead(reply.status, { ...reply.headers, date: env.now().toUTCString() }).end(reply.body);
  }

  const server = await listen(serve);
  url = server.url;

  return {
    /** `http://127.0.0.1:PORT`, for all services */
    url,
    /** What a program needs in its environment to talk to this AWS and to no other. */
    env: environmentOf(url, region),
    /** Every request so far, in the order of arrival, those that were refused or cut included. */
    calls: calls as readonly Call[],
    forget: () => void calls.splice(0),
    access,
    /** Which of the forms that AWS leaves open its answers have. */
    forms: env.forms,
    appflow: appflow.state,
    secrets: secrets.state,
    parameters: parameters.state,
    kms: kms.state,
    queue: { ...queues.state, ...mapping },
    logs: logs.state,
    events: bus.state,
    trails: trail.state,
    /** Resolves when every rotation and flow run has ended. */
    async settled() {
      await Promise.all([secrets.state.settled(), appflow.state.settled()]);
    },
    async close() {
      await server.close();
      await queues.close();
    },
  };
}

function environmentOf(url: string, region: string): Record<string, string> {
  const services = ['APPFLOW', 'SECRETS_MANAGER', 'SSM', 'KMS', 'SQS', 'LAMBDA', 'CLOUDWATCH_LOGS', 'EVENTBRIDGE'];
  const endpoints = [...services, 'CLOUDTRAIL'].map((name) => [`AWS_ENDPOINT_URL_${name}`, url]);
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
