import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parse } from '../../functions/core/parsing.ts';

const Person = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1, 'is empty'), v.maxLength(3, 'is long')),
  age: v.optional(v.number()),
  isAdmin: v.optional(v.boolean()),
  tags: v.optional(v.array(v.string())),
  home: v.optional(v.strictObject({ street: v.string() })),
});
const wrong = (input: unknown, schema: v.GenericSchema = Person) => {
  const result = parse(schema, input);
  return 'problems' in result ? result.problems : result.output;
};

describe('an input', () => {
  it('that is right is given as parsed', () => {
    expect(parse(Person, { name: 'ann' })).toEqual({ output: { name: 'ann' } });
  });

  it.each([
    [{ name: 5 }, ['name'], 'must be a string'],
    [{ name: 'a', age: 'x' }, ['age'], 'must be a number'],
    [{ name: 'a', isAdmin: 1 }, ['isAdmin'], 'must be true or false'],
    [{ name: 'a', tags: 'x' }, ['tags'], 'must be a list'],
    [{ name: 'a', tags: ['x', 5] }, ['tags', '1'], 'must be a string'],
    [{ name: '' }, ['name'], 'is empty'],
    [{ name: 'long' }, ['name'], 'is long'],
    [{}, ['name'], 'is missing'],
    [{ name: 'a', home: {} }, ['home', 'street'], 'is missing'],
    [{ name: 'a', home: 'x' }, ['home'], 'must be a JSON object, and is of type string'],
    [{ name: 'a', home: null }, ['home'], 'must be a JSON object, and is null'],
    [{ name: 'a', home: [] }, ['home'], 'must be a JSON object, and is a list'],
    [null, [], 'must be a JSON object, and is null'],
    [undefined, [], 'must be a JSON object, and is of type undefined'],
    [[], [], 'must be a JSON object, and is a list'],
    ['x', [], 'must be a JSON object, and is of type string'],
  ])('that is wrong is called so in our own words: %j', (input, at, says) => {
    expect(wrong(input)).toEqual([{ at, says }]);
  });

  it('with unknown keys has all of them named at the top, and the first one below', () => {
    expect(wrong({ name: 'a', nam: 1, agee: 2 })).toEqual([
      { at: [], says: 'nam', isUnknownKey: true },
      { at: [], says: 'agee', isUnknownKey: true },
    ]);
    expect(wrong({ name: 'a', home: { street: 's', city: 1, zip: 2 } })).toEqual([
      { at: ['home'], says: 'city', isUnknownKey: true },
    ]);
    expect(wrong({ name: 'a', 'x9Q!': 1 })).toEqual([
      { at: [], says: 'a key whose name is not shown', isUnknownKey: true },
    ]);
  });

  it('of which two things are wrong has both said, and neither twice', () => {
    expect(wrong({ name: 5, age: 'x' })).toEqual([
      { at: ['name'], says: 'must be a string' },
      { at: ['age'], says: 'must be a number' },
    ]);
    const twice = v.intersect([v.object({ name: v.string() }), v.object({ name: v.string() })]);
    expect(wrong({ name: 5 }, twice)).toEqual([{ at: ['name'], says: 'must be a string' }]);
    const both = v.intersect([v.object({ a: v.string() }), v.object({ b: v.string() })]);
    expect(wrong({ a: 5, b: 5 }, both)).toEqual([
      { at: ['a'], says: 'must be a string' },
      { at: ['b'], says: 'must be a string' },
    ]);
  });

  it('of a kind that has no words of its own is not what it should be', () => {
    expect(wrong('x', v.literal('secret'))).toEqual([{ at: [], says: 'is not what it should be' }]);
    expect(wrong(['x'], v.array(v.number()))).toEqual([{ at: ['0'], says: 'must be a number' }]);
  });
});

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

it('each of thousands of wrong entries is said once, in the time that a test has', () => {
  // Held against each other one, they took minutes.
  expect(wrong({ name: 'a', tags: Array.from({ length: 60_000 }, () => 0) })).toHaveLength(60_000);
});
