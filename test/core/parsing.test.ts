import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parse } from '../../functions/core/parsing.ts';

const MARK = 'zQ7Xw2Kk9Jv4Qy8Rt1Mn6';

/** One schema of each kind, none with words of its own. */
const SCHEMAS: Readonly<Record<string, v.GenericSchema>> = {
  string: v.string(),
  number: v.number(),
  boolean: v.boolean(),
  date: v.date(),
  literal: v.literal('x'),
  picklist: v.picklist(['x', 'y']),
  array: v.array(v.number()),
  tuple: v.tuple([v.number()]),
  object: v.object({ a: v.number() }),
  strictObject: v.strictObject({ a: v.number() }),
  record: v.record(v.picklist(['x']), v.number()),
  union: v.union([v.number(), v.object({ a: v.literal(1) })]),
  variant: v.variant('kind', [v.object({ kind: v.literal('x') })]),
  null: v.null(),
  never: v.never(),
  regex: v.pipe(v.string(), v.regex(/^\d+$/)),
  length: v.pipe(v.string(), v.maxLength(3)),
  timestamp: v.pipe(v.string(), v.isoTimestamp()),
  check: v.pipe(
    v.string(),
    v.check((text) => text === ''),
  ),
};
const INPUTS: readonly unknown[] = [
  MARK,
  [MARK],
  { a: MARK },
  { kind: MARK },
  { [MARK]: 1 },
  { a: { a: MARK } },
  null,
  7,
  true,
];

describe('what is said of an input that is wrong', () => {
  it.each(Object.entries(SCHEMAS))(
    'holds nothing of it, though the schema has no words of its own: %s',
    (_, schema) => {
      const results = INPUTS.flatMap((input) => [parse(schema, input), parse(v.object({ b: schema }), { b: input })]);
      const problems = results.flatMap((result) => ('problems' in result ? result.problems : []));
      expect(problems.length).toBeGreaterThan(5);
      expect(JSON.stringify(problems)).not.toContain(MARK.slice(0, 12));
      expect(problems.every(({ says }) => typeof says === 'string')).toBe(true);
      // Nor does the library speak.
      expect(JSON.stringify(problems)).not.toMatch(/Invalid|xpected|eceived/);
    },
  );

  it('names the place, and all unknown keys of the input', () => {
    const schema = v.strictObject({
      a: v.string(),
      list: v.array(v.object({ b: v.number() })),
      c: v.optional(v.boolean()),
    });
    expect(parse(schema, { list: [{ b: 1 }, { b: 'x' }, {}, []], c: 1, clientid: 1, [MARK]: 2, dryrun: 3 })).toEqual({
      problems: [
        { at: ['a'], says: 'is missing' },
        { at: ['list', '1', 'b'], says: 'must be a number' },
        { at: ['list', '2', 'b'], says: 'is missing' },
        { at: ['list', '3'], says: 'must be a JSON object, and is a list' },
        { at: ['c'], says: 'must be true or false' },
        { at: [], says: 'clientid', isUnknownKey: true },
        { at: [], says: 'a key whose name is not shown', isUnknownKey: true },
        { at: [], says: 'dryrun', isUnknownKey: true },
      ],
    });
  });

  it('is nothing where it is right', () => {
    expect(parse(v.object({ a: v.optional(v.number(), 7) }), {})).toEqual({ output: { a: 7 } });
  });
});
