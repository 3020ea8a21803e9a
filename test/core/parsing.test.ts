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
