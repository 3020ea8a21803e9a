/** The figures that the product is deployed with: the local services run by these, so that a test meets what production does. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { parse } from 'yaml';

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

/** Which events are delivered to `heal`, and how often Lambda tries again after an error. */
export const flowPatterns = functions.heal.events.map(({ eventBridge }) => eventBridge.pattern);
export const healRetries = functions.heal.maximumRetryAttempts;

/** The name and the ARN that CloudFormation gives to a role of the template. */
export function ownRoleName(logicalId: string): string {
  return `${service}-prod-${logicalId}-LOCAL`;
}
export function ownRoleArn(logicalId: string): string {
  return `arn:aws:iam::123456789012:role/${ownRoleName(logicalId)}`;
}

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
function template(path: string): unknown {
  const text = readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
  return parse(text, { merge: true, logLevel: 'error' });
}
