import { EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';
import type { Rule } from '../../infra/local/events/bus.ts';

const START = Date.parse('2026-11-24T09:00:00.000Z');
let time: number;
let aws: LocalAws;
let client: EventBridgeClient;
/** What the function was invoked with, and when. */
let invoked: { readonly at: number; readonly event: unknown }[];
let handle: (event: unknown) => unknown;

beforeEach(async () => {
  time = START;
  invoked = [];
  handle = () => undefined;
  aws = await startAws({
    now: () => new Date(time),
    sleep: async (milliseconds) => {
      time += milliseconds;
    },
    invoke: async (_, event) => {
      invoked.push({ at: time - START, event });
      return handle(event);
    },
  });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  client = new EventBridgeClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
});
afterEach(() => aws.close());

const ENTRY = { Source: 'ours', DetailType: 'Thing Happened', Detail: '{"summary":"It happened."}' };
const put = (...Entries: PutEventsRequestEntry[]) => client.send(new PutEventsCommand({ Entries }));

describe('PutEvents', () => {
  it('puts events on the bus in order, and gives the id of each', async () => {
    const Resources = ['arn:aws:iam::123456789012:user/a'];
    const { Entries, FailedEntryCount } = await put(ENTRY, { ...ENTRY, Time: new Date('2026-11-01'), Resources });
    expect(FailedEntryCount).toBe(0);
    expect(aws.events.all()).toEqual([
      {
        version: '0',
        id: Entries?.[0]?.EventId,
        'detail-type': 'Thing Happened',
        source: 'ours',
        account: '123456789012',
        time: '2026-11-24T09:00:00Z',
        region: 'us-east-1',
        resources: [],
        detail: { summary: 'It happened.' },
      },
      expect.objectContaining({ id: Entries?.[1]?.EventId, time: '2026-11-01T00:00:00Z', resources: Resources }),
    ]);
  });

  it('refuses an entry in its answer, and takes the others', async () => {
    const wrong: [PutEventsRequestEntry, string][] = [
      [{ ...ENTRY, Source: undefined }, 'InvalidArgument'],
      [{ ...ENTRY, DetailType: '' }, 'InvalidArgument'],
      [{ ...ENTRY, Detail: undefined }, 'InvalidArgument'],
      [{ ...ENTRY, DetailType: 'x'.repeat(129) }, 'InvalidArgument'],
      [{ ...ENTRY, EventBusName: 'other' }, 'InvalidArgument'],
      [{ ...ENTRY, Source: 'aws.appflow' }, 'NotAuthorizedForSourceException'],
      [{ ...ENTRY, Detail: '[1]' }, 'MalformedDetail'],
      [{ ...ENTRY, Detail: '{"a":' }, 'MalformedDetail'],
      [{ ...ENTRY, Detail: `{"a":${'['.repeat(1_000)}${']'.repeat(1_000)}}` }, 'MalformedDetail'],
    ];
    const { Entries, FailedEntryCount } = await put(...wrong.map(([entry]) => entry), ENTRY);
    expect(FailedEntryCount).toBe(wrong.length);
    expect(Entries?.map(({ ErrorCode }) => ErrorCode)).toEqual([...wrong.map(([, code]) => code), undefined]);
    expect(Entries?.at(-1)?.EventId).toBe(aws.events.all()[0]?.id);
    expect(aws.events.all()).toHaveLength(1);
  });

  it('refuses the request where there are none or more than ten, all lack something, or all together are too long', async () => {
    const half = { ...ENTRY, Detail: JSON.stringify({ a: 'ä'.repeat(65_000) }) };
    for (const entries of [
      [],
      Array.from({ length: 11 }, () => ENTRY),
      [{ ...ENTRY, Detail: undefined }],
      [half, half, half],
    ])
      await expect(put(...entries)).rejects.toMatchObject({ name: 'ValidationException' });
    expect(await put(half)).toMatchObject({ FailedEntryCount: 0 });
    expect(aws.events.all()).toHaveLength(1);
  });

  it('refuses who may not, and answers in whatever form', async () => {
    aws.access.deny([{ action: 'events:PutEvents', resource: '*:event-bus/default' }]);
    await expect(put(ENTRY)).rejects.toMatchObject({ name: 'AccessDeniedException' });
    aws.access.deny([]);
    aws.forms.retell = () => ({ FailedEntryCount: 0, Entries: null });
    expect((await put(ENTRY)).Entries ?? []).toEqual([]);
  });
});

describe('the bus', () => {
  const toFunction: Rule = {
    name: 'to-function',
    pattern: { source: ['ours'] },
    target: { functionName: 'heal', maximumRetryAttempts: 2 },
  };
  const toTopic: Rule = {
    name: 'to-topic',
    pattern: { 'detail-type': ['Thing Happened'] },
    target: { inputPath: '$.detail.summary' },
  };

  it('delivers an event to every rule that it matches, once', async () => {
    await put(ENTRY, { ...ENTRY, Source: 'theirs' });
    await aws.events.deliver([toFunction, toTopic]);
    await aws.events.deliver([toFunction, toTopic]);
    expect(invoked.map(({ event }) => event)).toEqual([aws.events.all()[0]]);
    expect(aws.events.messages().map(({ text }) => text)).toEqual(['It happened.', 'It happened.']);
  });

  it('has a function that throws tried twice more, a minute and two later, and gives up then', async () => {
    handle = () => {
      throw new TypeError('no');
    };
    await put(ENTRY);
    await aws.events.deliver([toFunction]);
    expect(invoked.map(({ at }) => at)).toEqual([0, 60_000, 180_000]);
    expect(aws.events.failed()).toEqual([
      { event: aws.events.all()[0], rule: 'to-function', attempts: 3, error: 'TypeError: no' },
    ]);
  });

  it('delivers other events while one waits to be tried again', async () => {
    handle = (event) => {
      if (JSON.stringify(event).includes('first') && time === START) throw new Error('not yet');
    };
    await put({ ...ENTRY, Detail: '{"n":"first"}' }, { ...ENTRY, Detail: '{"n":"second"}' });
    await aws.events.deliver([toFunction]);
    expect(invoked.map(({ event }) => JSON.stringify(event).match(/first|second/)?.[0])).toEqual([
      'first',
      'second',
      'first',
    ]);
    expect(aws.events.failed()).toEqual([]);
  });

  it('delivers what comes of a delivery, and stops where events bring forth each other for ever', async () => {
    handle = (event) => {
      if (JSON.stringify(event).includes('cause'))
        aws.events.publish({ source: 'ours', 'detail-type': 'x', detail: {} });
    };
    await put({ ...ENTRY, Detail: '{"n":"cause"}' });
    await aws.events.deliver([toFunction]);
    expect(invoked).toHaveLength(2);
    handle = () => void aws.events.publish({ source: 'ours', 'detail-type': 'x', detail: {} });
    await put(ENTRY);
    await expect(aws.events.deliver([toFunction])).rejects.toThrow('without an end');
  });

  it('sends the topic nothing where the event has no such text', async () => {
    await put({ ...ENTRY, Detail: '{"summary":{"a":1}}' }, { ...ENTRY, Detail: '{}' });
    await aws.events.deliver([toTopic]);
    expect(aws.events.messages()).toEqual([]);
    expect(aws.events.failed()).toMatchObject([{ rule: 'to-topic' }, { rule: 'to-topic' }]);
  });
});
