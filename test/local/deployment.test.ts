import { readFileSync } from 'node:fs';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TurnableClock } from '../../infra/local/clock.ts';
import { mapping, memoryMegabytes, timeoutSeconds } from '../../infra/local/deployment.ts';
import { type LocalWorld, startWorld } from '../../infra/local/world.ts';

const serverless = readFileSync('serverless.yml', 'utf8');
const queues = readFileSync('infra/aws/queue.yml', 'utf8');
/** The first number behind that word, from that place on. */
function figure(text: string, from: string, word: string): number {
  return Number(new RegExp(`${word}: (\\d+)`).exec(text.slice(text.indexOf(from)))?.[1]);
}

describe('the local world', () => {
  let world: LocalWorld;
  let client: SQSClient;

  beforeAll(async () => {
    world = await startWorld({ clock: new TurnableClock(new Date('2026-11-24T03:00:00.000Z')) });
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    client = new SQSClient({ endpoint: world.aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
  });

  afterAll(async () => {
    client.destroy();
    await world.close();
  });

  it('runs functions and batches by the figures of serverless.yml', () => {
    for (const name of ['dispatch', 'refresh', 'rotate', 'heal'] as const) {
      expect(timeoutSeconds(name)).toBe(figure(serverless, `\n  ${name}:`, 'timeout'));
    }
    expect(memoryMegabytes).toBe(figure(serverless, '\nprovider:', 'memorySize'));
    expect(mapping).toEqual({
      batchSize: figure(serverless, '\nfunctions:', 'batchSize'),
      maximumConcurrency: figure(serverless, '\nparams:', 'maximumConcurrency'),
      reportBatchItemFailures: true,
    });
  });

  it('keeps its queue by the figures of queue.yml', async () => {
    const QueueUrl = world.env['QUEUE_URL'];
    const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    const of = (word: string) => figure(queues, 'RefreshQueue:', word);
    expect(Attributes).toMatchObject({
      VisibilityTimeout: String(of('VisibilityTimeout')),
      MessageRetentionPeriod: String(of('MessageRetentionPeriod')),
      RedrivePolicy: expect.stringContaining(`"maxReceiveCount":${of('maxReceiveCount')}`),
    });
  });
});
