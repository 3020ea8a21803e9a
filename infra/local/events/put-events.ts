/** EventBridge's PutEvents: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html */
import type * as sdk from '@aws-sdk/client-eventbridge';
import { type Publish, secondsOnly } from '../wire/events.ts';
import { type Environment, serviceOf } from '../wire/operation.ts';
import { errorOf } from '../wire/replies.ts';
import type { Wire } from '../wire/validation.ts';

type Entry = Wire<sdk.PutEventsRequestEntry>;
interface Refusal {
  readonly ErrorCode: string;
  readonly ErrorMessage: string;
}

/** In bytes, of all entries together. */
const MOST_BYTES = 256 * 1024;
const MOST_DETAIL_TYPE = 128;
const MOST_DEPTH = 1_000;

const refused = errorOf('ValidationException');

/** The default bus alone. An entry that cannot be taken is told in the answer; the others are taken all the same. */
export function createPutEvents(env: Environment, publish: Publish) {
  const busArn = env.arn('events', 'event-bus/default');

  function put(entry: Entry): { readonly EventId: string } | Refusal {
    const refusal = refusalOf(entry, busArn);
    if (refusal !== undefined) return refusal;
    const { Source = '', DetailType = '', Detail = '', Resources = [], Time } = entry;
    const time = Time === undefined ? env.now() : new Date(Time * 1000);
    const event = { source: Source, 'detail-type': DetailType, detail: JSON.parse(Detail), resources: Resources };
    return { EventId: publish({ ...event, time: secondsOnly(time) }).id };
  }

  return serviceOf<typeof sdk>(
    env,
    { name: 'events', protocol: 'json1.1' },
    (operation) => [{ action: `events:${operation}`, resource: busArn }],
    {
      PutEvents({ Entries: entries }) {
        const bytes = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
        if (bytes >= MOST_BYTES) throw refused('Total size of the entries in the request is over the limit.');
        if (entries.every((entry) => missingIn(entry) !== undefined))
          throw refused('No entry has each of Source, DetailType and Detail.');
        const answers = entries.map(put);
        return { FailedEntryCount: answers.filter((one) => 'ErrorCode' in one).length, Entries: answers };
      },
    },
  );
}

function refusalOf(entry: Entry, busArn: string): Refusal | undefined {
  const invalid = (name: string, reason: string) => ({
    ErrorCode: 'InvalidArgument',
    ErrorMessage: `Parameter ${name} is not valid. Reason: ${reason}`,
  });
  const missing = missingIn(entry);
  if (missing !== undefined) return invalid(missing, `${missing} is a required argument.`);
  const { Source = '', DetailType = '', Detail = '', EventBusName = 'default' } = entry;
  if (EventBusName !== 'default' && EventBusName !== busArn)
    return invalid('EventBusName', 'This stand-in has the default bus alone.');
  if (DetailType.length > MOST_DETAIL_TYPE)
    return invalid('DetailType', `DetailType is longer than ${MOST_DETAIL_TYPE} characters.`);
  // Only AWS's own services call themselves so.
  if (/^aws\./i.test(Source))
    return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' };
  if (!isJsonObject(Detail)) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
  return undefined;
}

/** An empty text counts as none. */
function missingIn(entry: Entry): 'Source' | 'DetailType' | 'Detail' | undefined {
  return (['Source', 'DetailType', 'Detail'] as const).find((name) => (entry[name] ?? '') === '');
}

/** https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size */
function sizeOf({ Source = '', DetailType = '', Detail = '', Resources = [], Time }: Entry): number {
  const texts = [Source, DetailType, Detail, ...Resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time === undefined ? 0 : 14);
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) && depthOf(value) <= MOST_DEPTH;
  } catch {
    return false;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
