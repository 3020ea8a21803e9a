import { randomUUID } from 'node:crypto';
import type { Context } from 'aws-lambda';
import type { Clock } from '../../functions/core/run.ts';
import { type LocalAws, startAws } from './aws.ts';
import {
  deadLettersAttributes,
  type FunctionName,
  isFunctionName,
  logGroupName,
  mapping,
  memoryMegabytes,
  ownRoleArns,
  ownRoleName,
  queueAttributes,
  rules,
  timeoutSeconds,
} from './deployment.ts';
import { UnknownFunction } from './lambda/lambda.ts';
import { withWritten } from './lambda/written.ts';
import { type LocalSalesforce, startSalesforce } from './salesforce/salesforce.ts';
import type { Intercept } from './wire/traffic.ts';

type Handler = (event: unknown, context: Context) => Promise<unknown>;

export const QUEUE = 'refresh.fifo';
export const DEAD_LETTERS = 'refresh-dead-letters.fifo';

/** AppFlow, Secrets Manager, the queue, Salesforce and the product's own handlers, on loopback and by one clock. */
export interface LocalWorld {
  readonly aws: LocalAws;
  readonly salesforce: LocalSalesforce;
  /** What a program needs in its environment to live here. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs a real handler, as Lambda would: the answer and the event pass through JSON. */
  invoke(name: FunctionName, event: unknown): Promise<unknown>;
  /** Serves the queue until it is empty of what is visible. */
  serveQueue(): Promise<void>;
  /** Delivers what is on the event bus, by the rules of the deployment, until nothing is left. A function that fails is tried again later, by the clock. */
  deliverEvents(): Promise<void>;
  /** One tick of the schedule, and then the queue. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

export interface LocalWorldOptions {
  readonly clock: Clock;
  readonly intercept?: Intercept;
  /** Runs a function in a process of its own; `undefined` leaves it to the handler here. */
  readonly elsewhere?: (name: string, event: unknown) => Promise<unknown> | undefined;
  /** Settings of the functions. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts the local services and loads the handlers. The functions read `process.env`, so it is set here: one world a process at a time.
 */
export async function startWorld(options: LocalWorldOptions): Promise<LocalWorld> {
  const { clock, intercept } = options;
  const now = () => new Date(clock.now());
  const salesforce = await startSalesforce({ now, intercept });
  const handlers = new Map<string, Handler>();

  const invoke = async (name: string, event: unknown): Promise<unknown> => {
    const elsewhere = options.elsewhere?.(name, event);
    if (elsewhere !== undefined) return elsewhere;
    const handler = handlers.get(name);
    if (handler === undefined || !isFunctionName(name)) throw new UnknownFunction(name);
    const context = contextOf(name);
    const run = () => handler(JSON.parse(JSON.stringify(event)), context);
    const answer = await withWritten((line) => aws.logs.put(context.logGroupName, line), run);
    return JSON.parse(JSON.stringify(answer ?? null));
  };

  const aws = await startAws({
    now,
    intercept,
    salesforceUrl: salesforce.url,
    invoke,
    sleep: clock.sleep,
    // All functions run in one process with one key here, so that only their name tells them from others.
    roleOf: (userAgent) =>
      /(?:^|\s)appflow-token-refresher\/\d/.test(userAgent) ? ownRoleName('RefreshRole') : undefined,
  });
  const env = {
    ...aws.env,
    LOGIN_HOSTS: 'login.salesforce.com,test.salesforce.com,*.my.salesforce.com,http://127.0.0.1:*',
    QUEUE_URL: createQueues(aws),
    OWN_ROLE_ARNS: ownRoleArns.join(','),
    ...options.settings,
  };
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  for (const [name, create] of await creators()) {
    handlers.set(name, create(clock));
    aws.logs.create(logGroupName(name));
  }

  const serveQueue = async () => {
    await aws.queue.drain('refresh', { queue: QUEUE, ...mapping });
  };

  return {
    aws,
    salesforce,
    env,
    invoke,
    serveQueue,
    deliverEvents: () => aws.events.deliver(rules),
    async tick() {
      await invoke('dispatch', { scheduledTime: now().toISOString() });
      await serveQueue();
    },
    async close() {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      await aws.close();
      await salesforce.close();
    },
  };
}

async function creators(): Promise<[FunctionName, (clock: Clock) => Handler][]> {
  const [dispatch, refresh, rotate, heal] = await Promise.all([
    import('../../functions/dispatch.ts'),
    import('../../functions/refresh.ts'),
    import('../../functions/rotate.ts'),
    import('../../functions/heal.ts'),
  ]);
  return [
    ['dispatch', dispatch.create],
    ['refresh', refresh.create],
    ['rotate', rotate.create],
    ['heal', heal.create],
  ];
}

function createQueues(aws: LocalAws): string {
  aws.queue.create(DEAD_LETTERS, deadLettersAttributes);
  return aws.queue.create(QUEUE, queueAttributes(`arn:aws:sqs:us-east-1:123456789012:${DEAD_LETTERS}`));
}

function contextOf(name: FunctionName): Context {
  const end = performance.now() + timeoutSeconds(name) * 1000;
  const unused = () => {
    throw new Error('Node 24 has no callback handlers.');
  };
  return {
    awsRequestId: randomUUID(),
    functionName: name,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:us-east-1:123456789012:function:${name}`,
    memoryLimitInMB: String(memoryMegabytes),
    logGroupName: logGroupName(name),
    logStreamName: 'local',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, Math.round(end - performance.now())),
    done: unused,
    fail: unused,
    succeed: unused,
  };
}
