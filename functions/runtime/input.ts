import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';

/**
 * Parses an event against a schema whose messages are our own ends of sentences.
 *
 * @param usage what the function takes, for the hint
 * @throws RefreshError `INPUT_INVALID` with everything that is wrong, and no value of the event
 */
export function parseInput<S extends v.GenericSchema>(schema: S, event: unknown, usage: string): v.InferOutput<S> {
  const result = v.safeParse(schema, event);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => {
    const path = v.getDotPath(issue) ?? 'the event';
    if (issue.type !== 'strict_object') return `${path} ${issue.message}`;
    if (issue.expected === 'never')
      return `${/^[\w.-]{1,64}$/.test(path) ? path : 'a key whose name is not shown'} is not a key of this event`;
    return issue.input === undefined ? `${path} is missing` : `${path} must be an object`;
  });
  throw new RefreshError('INPUT_INVALID', `${problems.join('; ')}.`, usage, undefined);
}
