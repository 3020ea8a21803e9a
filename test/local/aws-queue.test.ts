import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';

const MINUTE = 60 * 1000;
const QUEUE = 'refresh.fifo';
const DEAD = 'refresh-dead.fifo';

const sqsEvent = v.object({ Records: v.array(v.looseObject({ messageId: v.string(), body: v.string() })) });
type SQSEvent = v.InferOutput<typeof sqsEvent>;

let time: Date;
let aws: LocalAws;
let client: SQSClient;
let QueueUrl: string;
let handler: (event: SQSEvent) => unknown;
let events: SQSEvent[];

function wait(milliseconds: number): void {
  time = new Date(time.getTime() + milliseconds);
}

function send(body: string, group = 'g', id = body) {
  const message = { QueueUrl, MessageBody: body, MessageGroupId: group, MessageDeduplicationId: id };
  return client.send(new SendMessageCommand(message));
}

async function receive(max = 10) {
  const input = { QueueUrl, MaxNumberOfMessages: max, MessageSystemAttributeNames: ['All' as const] };
  return (await client.send(new ReceiveMessageCommand(input))).Messages ?? [];
}

const bodies = async (max?: number) => (await receive(max)).map(({ Body }) => Body);

beforeEach(async () => {
  time = new Date('2026-11-24T08:00:00.000Z');
  events = [];
  handler = () => undefined;
  aws = await startAws({
    now: () => time,
    invoke: async (_name, event) => {
      const sqs = v.parse(sqsEvent, event);
      events.push(sqs);
      return handler(sqs);
    },
  });
  aws.queue.create(DEAD, { FifoQueue: 'true' });
  QueueUrl = aws.queue.create(QUEUE, {
    FifoQueue: 'true',
    VisibilityTimeout: '270',
    MessageRetentionPeriod: '900',
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: `arn:aws:sqs:us-east-1:123456789012:${DEAD}`,
      maxReceiveCount: 2,
    }),
  });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  client = new SQSClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
});

afterEach(async () => {
  client.destroy();
  await aws.close();
});

describe('a FIFO queue', () => {
  it('keeps the order within a group', async () => {
    for (const body of ['1', '2', '3']) await send(body);
    expect(await bodies()).toEqual(['1', '2', '3']);
  });

  it('gives out nothing of a group while one message of it is in flight', async () => {
    await send('a1', 'a');
    await send('a2', 'a');
    await send('b1', 'b');
    expect(await bodies(1)).toEqual(['a1']);
    expect(await bodies()).toEqual(['b1']);
    expect(await bodies()).toEqual([]);
  });

  it('keeps the order when several messages of a group come back, and lets none past them', async () => {
    for (const body of ['1', '2', '3']) await send(body);
    expect(await bodies(2)).toEqual(['1', '2']);
    expect(await bodies()).toEqual([]);
    wait(270 * 1000);
    const again = await receive(2);
    expect(again.map(({ Body }) => Body)).toEqual(['1', '2']);
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again[0]?.ReceiptHandle }));
    expect(await bodies()).toEqual([]);
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again[1]?.ReceiptHandle }));
    expect(await bodies()).toEqual(['3']);
  });

  it('lets the group go on once the message is deleted', async () => {
    await send('1');
    await send('2');
    const [first] = await receive(1);
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: first?.ReceiptHandle }));
    expect(await bodies()).toEqual(['2']);
  });

  it('shows a message again after its visibility timeout, and before newer ones', async () => {
    await send('1');
    await send('2');
    await receive(1);
    wait(270 * 1000);
    const [again] = await receive();
    expect(again).toMatchObject({ Body: '1', Attributes: { ApproximateReceiveCount: '2', MessageGroupId: 'g' } });
  });

  it('remembers a deduplication id for five minutes, also after the message is gone', async () => {
    const { MessageId, SequenceNumber } = await send('1', 'g', 'same');
    const [message] = await receive();
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
    wait(5 * MINUTE - 1);
    expect(await send('other', 'h', 'same')).toMatchObject({ MessageId, SequenceNumber });
    expect(await bodies()).toEqual([]);
    wait(1);
    await send('other', 'h', 'same');
    expect(await bodies()).toEqual(['other']);
  });

  it('moves a message to the dead-letter queue when it was received too often', async () => {
    await send('1');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect(await bodies()).toEqual(['1']);
      wait(270 * 1000);
    }
    expect(await bodies()).toEqual([]);
    expect(aws.queue.messages(QUEUE)).toEqual([]);
    expect(aws.queue.messages(DEAD)).toMatchObject([{ body: '1', groupId: 'g', receiveCount: 2 }]);
  });

  it('drops what is older than its retention', async () => {
    await send('1');
    wait(900 * 1000);
    expect(await bodies()).toEqual([]);
  });

  it('wants a group and a deduplication id of at most 128 characters, and no delay', async () => {
    const MessageBody = 'x';
    const good = { QueueUrl, MessageBody, MessageGroupId: 'g', MessageDeduplicationId: 'd' };
    await expect(client.send(new SendMessageCommand({ QueueUrl, MessageBody }))).rejects.toMatchObject({
      Code: 'MissingParameter',
    });
    for (const wrong of [
      { MessageGroupId: 'x'.repeat(129) },
      { MessageGroupId: 'sf prod' },
      { MessageDeduplicationId: 'ü' },
      { MessageDeduplicationId: undefined },
      { DelaySeconds: 5 },
      { MessageBody: 'x'.repeat(1_048_577) },
    ]) {
      await expect(client.send(new SendMessageCommand({ ...good, ...wrong }))).rejects.toMatchObject({
        name: 'InvalidParameterValue',
      });
    }
    await send('x', 'x'.repeat(128), 'y'.repeat(128));
  });

  it('gives the attributes of a message to who asks for them', async () => {
    const MessageAttributes = {
      'a.b': { DataType: 'String', StringValue: 'v' },
      c: { DataType: 'Number', StringValue: '1' },
    };
    const ids = { MessageGroupId: 'g', MessageDeduplicationId: 'd' };
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x', ...ids, MessageAttributes }));
    expect((await receive())[0]?.MessageAttributes).toBeUndefined();
    wait(270 * 1000);
    const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['a.*'] }));
    expect(Messages?.[0]?.MessageAttributes).toEqual({ 'a.b': { DataType: 'String', StringValue: 'v' } });
  });

  it('refuses a receipt handle whose time has run out', async () => {
    await send('1');
    const [message] = await receive();
    const ReceiptHandle = message?.ReceiptHandle;
    wait(270 * 1000 - 1);
    expect(await bodies()).toEqual([]);
    wait(1);
    await expect(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))).rejects.toMatchObject({
      message: expect.stringContaining('The receipt handle has expired'),
    });
    expect(await bodies()).toEqual(['1']);
    await expect(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'no' }))).rejects.toMatchObject({
      name: 'ReceiptHandleIsInvalid',
    });
  });
});

describe('a batch of messages', () => {
  const entry = (id: string, body = id) => ({
    Id: id,
    MessageBody: body,
    MessageGroupId: `g${id}`,
    MessageDeduplicationId: id,
  });

  it('refuses one entry without hurting the others', async () => {
    const Entries = [
      entry('1'),
      { ...entry('2'), MessageGroupId: 'not this' },
      entry('3'),
      { ...entry('4'), MessageGroupId: 'x'.repeat(129) },
    ];
    const reply = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    expect(reply.Successful?.map(({ Id }) => Id)).toEqual(['1', '3']);
    expect(reply.Failed).toMatchObject([
      { Id: '2', SenderFault: true, Code: 'InvalidParameterValue' },
      { Id: '4', SenderFault: true, Code: 'InvalidParameterValue' },
    ]);
  });

  it('takes one to ten entries with ids of their own, one MiB together', async () => {
    const eleven = [...Array(11).keys()].map((n) => entry(String(n)));
    const half = 'x'.repeat(524_289);
    for (const [Entries, name] of [
      [[], 'EmptyBatchRequest'],
      [eleven, 'TooManyEntriesInBatchRequest'],
      [[entry('1'), entry('1')], 'BatchEntryIdsNotDistinct'],
      [[{ ...entry('1'), Id: 'a.b' }], 'InvalidBatchEntryId'],
      [[entry('1', half), entry('2', half)], 'BatchRequestTooLong'],
    ] as const) {
      const command = new SendMessageBatchCommand({ QueueUrl, Entries: [...Entries] });
      await expect(client.send(command)).rejects.toMatchObject({ name });
    }
    await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: eleven.slice(1) }));
    expect(aws.queue.messages(QUEUE)).toHaveLength(10);
  });
});

describe('queues', () => {
  it('are found and described', async () => {
    expect((await client.send(new GetQueueUrlCommand({ QueueName: QUEUE }))).QueueUrl).toBe(QueueUrl);
    await send('1');
    await send('2', 'h');
    await receive(1);
    const describe = async () =>
      (await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))).Attributes;
    expect(await describe()).toMatchObject({
      QueueArn: 'arn:aws:sqs:us-east-1:123456789012:refresh.fifo',
      VisibilityTimeout: '270',
      ApproximateNumberOfMessages: '1',
      ApproximateNumberOfMessagesNotVisible: '1',
    });
    wait(270 * 1000);
    expect(await describe()).toMatchObject({
      ApproximateNumberOfMessages: '2',
      ApproximateNumberOfMessagesNotVisible: '0',
    });
  });

  it('that do not exist are said not to, under both of their names', async () => {
    await expect(client.send(new GetQueueUrlCommand({ QueueName: 'none' }))).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
      Code: 'AWS.SimpleQueueService.NonExistentQueue',
    });
  });

  it('are denied with the action in small letters', async () => {
    aws.access.deny([{ action: 'sqs:SendMessage' }]);
    await expect(send('1')).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining('sqs:sendmessage on resource: arn:aws:sqs:us-east-1:123456789012:refresh.fifo'),
    });
  });
});

describe('the event source mapping', () => {
  const options = { queue: QUEUE, batchSize: 10, reportBatchItemFailures: true, maximumConcurrency: 2 };

  it('hands over records as Lambda does', async () => {
    const { MessageId } = await send('{"connection":"a"}', 'g', 'd');
    await aws.queue.drain('refresh', options);
    expect(events).toEqual([
      {
        Records: [
          {
            messageId: MessageId,
            receiptHandle: expect.any(String),
            body: '{"connection":"a"}',
            attributes: {
              ApproximateReceiveCount: '1',
              SentTimestamp: String(time.getTime()),
              SequenceNumber: expect.stringMatching(/^\d{20}$/),
              MessageGroupId: 'g',
              SenderId: expect.any(String),
              MessageDeduplicationId: 'd',
              ApproximateFirstReceiveTimestamp: String(time.getTime()),
            },
            messageAttributes: {},
            md5OfBody: expect.stringMatching(/^[0-9a-f]{32}$/),
            eventSource: 'aws:sqs',
            eventSourceARN: 'arn:aws:sqs:us-east-1:123456789012:refresh.fifo',
            awsRegion: 'us-east-1',
          },
        ],
      },
    ]);
    expect(aws.queue.messages(QUEUE)).toEqual([]);
  });

  it('leaves in the queue what is reported as failed, until it dies', async () => {
    for (const body of ['good', 'bad', 'fine']) await send(body, body);
    handler = ({ Records }) => ({
      batchItemFailures: Records.filter(({ body }) => body === 'bad').map(({ messageId }) => ({
        itemIdentifier: messageId,
      })),
    });
    expect(await aws.queue.drain('refresh', options)).toBe(1);
    expect(aws.queue.messages(QUEUE).map(({ body }) => body)).toEqual(['bad']);
    expect(await aws.queue.drain('refresh', options)).toBe(0);
    wait(270 * 1000);
    expect(await aws.queue.drain('refresh', options)).toBe(1);
    wait(270 * 1000);
    expect(await aws.queue.drain('refresh', options)).toBe(0);
    expect(aws.queue.messages(DEAD).map(({ body }) => body)).toEqual(['bad']);
    expect(events).toHaveLength(2);
  });

  it('fails the whole batch when the function throws or reports nonsense', async () => {
    let left = 0;
    for (const wrong of [
      () => Promise.reject(new Error('no')),
      () => ({ batchItemFailures: [{ itemIdentifier: 'of no message' }] }),
      () => ({ batchItemFailures: [{}] }),
    ]) {
      for (const n of [1, 2]) await send(String(left + n), String(left + n));
      handler = wrong;
      await aws.queue.drain('refresh', options);
      left += 2;
      expect(aws.queue.messages(QUEUE)).toHaveLength(left);
    }
  });

  it('does not look at the report unless it is told to', async () => {
    await send('1');
    handler = ({ Records }) => ({ batchItemFailures: Records.map(({ messageId }) => ({ itemIdentifier: messageId })) });
    await aws.queue.drain('refresh', { ...options, reportBatchItemFailures: false });
    expect(aws.queue.messages(QUEUE)).toEqual([]);
  });

  it('has several batches in work at once, but never two of one group', async () => {
    for (let n = 0; n < 12; n += 1) await send(String(n), n < 11 ? 'busy' : 'other');
    let atOnce = 0;
    let most = 0;
    handler = async () => {
      most = Math.max(most, ++atOnce);
      await new Promise(setImmediate);
      atOnce -= 1;
    };
    expect(await aws.queue.drain('refresh', { ...options, maximumConcurrency: 5 })).toBe(3);
    expect(most).toBe(2);
    expect(events.map(({ Records }) => Records.map(({ body }) => body).join())).toEqual([
      '0,1,2,3,4,5,6,7,8,9',
      '11',
      '10',
    ]);
  });
});
