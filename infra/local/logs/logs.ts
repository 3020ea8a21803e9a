/** CloudWatch Logs, as far as its groups are searched: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html */
import { randomUUID } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-cloudwatch-logs';
import * as v from 'valibot';
import { type Environment, page, serviceOf, textIn } from '../wire/operation.ts';
import { errorOf } from '../wire/replies.ts';

const refused = errorOf('InvalidParameterException');
const missing = errorOf('ResourceNotFoundException');

/** A group forgets its oldest lines then: `npm run stack` may run for days. */
const MOST_EVENTS = 10_000;
/** Events on a page; AWS ends one earlier, at a megabyte. */
const MOST_ON_PAGE = 10_000;
/** A page may end before there are enough, and may even be empty: a caller must follow the token. */
const SEARCHED_AT_ONCE = 500;

interface Event {
  readonly eventId: string;
  readonly timestamp: number;
  readonly message: string;
}

export function createLogs(env: Environment) {
  const groups = new Map<string, Event[]>();

  function needs(operation: string, input: object) {
    const group = textIn(input, 'logGroupName') ?? '*';
    return [{ action: `logs:${operation}`, resource: env.arn('logs', `log-group:${group}`) }];
  }

  const service = serviceOf<typeof sdk>(env, { name: 'logs', protocol: 'json1.1' }, needs, {
    FilterLogEvents(input) {
      const { logGroupName, startTime = 0, endTime = Number.MAX_SAFE_INTEGER, filterPattern = '' } = input;
      const { limit = MOST_ON_PAGE, nextToken: token } = input;
      const events = groups.get(logGroupName ?? '');
      if (logGroupName === undefined) throw refused('Exactly one of logGroupName or logGroupIdentifier is required');
      if (events === undefined) throw missing('The specified log group does not exist.');
      if (startTime > endTime) throw refused('Start time must be before end time.');
      const matches = matcher(filterPattern);
      const inTime = events.filter(({ timestamp }) => timestamp >= startTime && timestamp <= endTime);
      // Bound to its query: AWS refuses a token of another one.
      const scope = ['FilterLogEvents', logGroupName, startTime, endTime, filterPattern];
      const size = Math.min(SEARCHED_AT_ONCE, limit);
      const found = page(inTime, { size, token, scope, forms: env.forms }, () =>
        refused('The specified nextToken is invalid.'),
      );
      return {
        events: found.items
          .filter(({ message }) => matches(message))
          .map((event) => ({ ...event, logStreamName: 'local', ingestionTime: event.timestamp })),
        searchedLogStreams: [],
        nextToken: found.nextToken,
      };
    },
  });

  const state = {
    /** Makes a group, as deploying a function does. */
    create(group: string) {
      if (!groups.has(group)) groups.set(group, []);
    },
    /** What a function has written, one event a line. */
    put(group: string, line: string) {
      const events = groups.get(group);
      if (events === undefined) throw new Error(`There is no log group ${group}.`);
      events.push({ eventId: randomUUID(), timestamp: env.now().getTime(), message: line });
      if (events.length > MOST_EVENTS) events.shift();
    },
    remove: (group: string) => void groups.delete(group),
    lines: (group: string) => (groups.get(group) ?? []).map(({ message }) => message),
  };
  return { service, state };
}

/** Of the language of patterns one form alone: a member of a JSON line that equals a text, in which `*` stands for any characters. */
function matcher(pattern: string): (message: string) => boolean {
  if (pattern === '') return () => true;
  const [, name = '', wanted] = /^\{\s*\$\.(\w+)\s*=\s*"([^"\\]*)"\s*\}$/.exec(pattern) ?? [];
  if (wanted === undefined) throw refused(`Invalid filter pattern: ${pattern}`);
  const escaped = wanted.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  const whole = new RegExp(`^${escaped}$`, 's');
  const Line = v.pipe(v.string(), v.parseJson(), v.object({ [name]: v.string() }));
  return (message) => {
    const line = v.safeParse(Line, message);
    return line.success && whole.test(line.output[name] ?? '');
  };
}
