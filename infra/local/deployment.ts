/** The figures that the product is deployed with: the local services run by these, so that a test meets what production does. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { parse } from 'yaml';
import type { Rule } from './events/bus.ts';

const Lambda = v.object({ timeout: v.number() });
const Serverless = v.object({
  service: v.string(),
  params: v.object({ default: v.object({ maximumConcurrency: v.number() }) }),
  provider: v.object({ memorySize: v.number() }),
  functions: v.object({
    dispatch: Lambda,
    refresh: v.object({
      ...Lambda.entries,
      events: v.tuple([
        v.object({
          sqs: v.object({
            batchSize: v.number(),
            functionResponseType: v.optional(v.literal('ReportBatchItemFailures')),
            // A parameter of that name: its default counts here.
            maximumConcurrency: v.string(),
          }),
        }),
      ]),
    }),
    rotate: Lambda,
    heal: v.object({
      ...Lambda.entries,
      maximumRetryAttempts: v.number(),
      environment: v.object({ OWN_ROLE_ARNS: v.tuple([v.literal(','), v.array(v.string())]) }),
      events: v.array(v.object({ eventBridge: v.object({ pattern: v.record(v.string(), v.unknown()) }) })),
    }),
  }),
});
const Queues = v.object({
  Resources: v.object({
    RefreshQueue: v.object({
      Properties: v.object({
        VisibilityTimeout: v.number(),
        MessageRetentionPeriod: v.number(),
        RedrivePolicy: v.object({ maxReceiveCount: v.number() }),
      }),
    }),
    RefreshDeadLetters: v.object({ Properties: v.object({ MessageRetentionPeriod: v.number() }) }),
  }),
});
const Alarms = v.object({
  Resources: v.object({
    Notices: v.object({
      Properties: v.object({
        EventPattern: v.record(v.string(), v.unknown()),
        Targets: v.tuple([v.object({ InputPath: v.string() })]),
      }),
    }),
  }),
});

const { service, functions, params, provider } = v.parse(Serverless, template('serverless.yml'));
const queues = v.parse(Queues, template('infra/aws/queue.yml')).Resources;
const { batchSize, functionResponseType } = functions.refresh.events[0].sqs;

export type FunctionName = keyof typeof functions;

export function isFunctionName(name: string): name is FunctionName {
  return Object.hasOwn(functions, name);
}

/** As Lambda calls it, for the stage that an operator means unless another is named. */
export function logGroupName(name: FunctionName): string {
  return `/aws/lambda/${service}-prod-${name}`;
}

export function timeoutSeconds(name: FunctionName): number {
  return functions[name].timeout;
}

export const memoryMegabytes = provider.memorySize;

/** Of the event source mapping between the queue and `refresh`. */
export const mapping = {
  batchSize,
  maximumConcurrency: params.default.maximumConcurrency,
  reportBatchItemFailures: functionResponseType !== undefined,
};

/** The name and the ARN that CloudFormation gives to a role of the template. */
export function ownRoleName(logicalId: string): string {
  return `${service}-prod-${logicalId}-LOCAL`;
}
function ownRoleArn(logicalId: string): string {
  return `arn:aws:iam::123456789012:role/${ownRoleName(logicalId)}`;
}

/** With the ARNs of roles in the place of what names their resources. */
function withRoles(value: unknown): unknown {
  if (typeof value === 'string') {
    const role = /^(\w+Role)\.Arn$/.exec(value)?.[1];
    return role === undefined ? value : ownRoleArn(role);
  }
  if (Array.isArray(value)) return value.map(withRoles);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withRoles(one)]));
}

const { EventPattern, Targets } = v.parse(Alarms, template('infra/aws/alarms.yml')).Resources.Notices.Properties;
const toHeal = { functionName: 'heal', maximumRetryAttempts: functions.heal.maximumRetryAttempts };

/** The rules of the default event bus. */
export const rules: readonly Rule[] = [
  ...functions.heal.events.map(({ eventBridge: { pattern } }, index) => ({
    name: `heal-${index + 1}`,
    pattern: v.parse(v.record(v.string(), v.unknown()), withRoles(pattern)),
    target: toHeal,
  })),
  { name: 'notices', pattern: EventPattern, target: { inputPath: Targets[0].InputPath } },
];

/** Of the roles whose updates of a profile are no news. */
export const ownRoleArns = v.parse(v.array(v.string()), withRoles(functions.heal.environment.OWN_ROLE_ARNS[1]));

/** The attributes of the two queues, as SQS takes them. */
export const deadLettersAttributes = {
  FifoQueue: 'true',
  MessageRetentionPeriod: String(queues.RefreshDeadLetters.Properties.MessageRetentionPeriod),
};
export function queueAttributes(deadLettersArn: string): Record<string, string> {
  const { VisibilityTimeout, MessageRetentionPeriod, RedrivePolicy } = queues.RefreshQueue.Properties;
  return {
    FifoQueue: 'true',
    VisibilityTimeout: String(VisibilityTimeout),
    MessageRetentionPeriod: String(MessageRetentionPeriod),
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadLettersArn, ...RedrivePolicy }),
  };
}

/** CloudFormation's own tags (`!GetAtt`, `!Ref`) are read as the text or list behind them: nobody asks here what they stand for. */
export function template(path: string): unknown {
  const text = readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
  return parse(text, { merge: true, logLevel: 'error' });
}
