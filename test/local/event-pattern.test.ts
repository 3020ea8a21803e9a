import { describe, expect, it } from 'vitest';
import { matches } from '../../infra/local/events/pattern.ts';

/** Whether `{"a": …}` with these conditions selects that event. */
const selects = (conditions: unknown, event: object) => matches({ a: conditions }, event);

describe('a pattern', () => {
  it('selects what has one of the values in each of its fields, at any depth', () => {
    const pattern = { source: ['x', 'y'], detail: { state: ['on'], of: { depth: [3] } } };
    const event = { source: 'y', detail: { state: 'on', of: { depth: 3 }, more: true } };
    expect(matches(pattern, event)).toBe(true);
    expect(matches(pattern, { ...event, source: 'z' })).toBe(false);
    expect(matches(pattern, { ...event, detail: { state: 'on' } })).toBe(false);
    expect(matches(pattern, { ...event, detail: { ...event.detail, of: { depth: '3' } } })).toBe(false);
  });

  it('tells null, false, an empty text and an absent field from each other', () => {
    const events = [{ a: null }, { a: false }, { a: '' }, {}];
    const selected = (condition: unknown) => events.map((event) => selects([condition], event));
    expect(selected(null)).toEqual([true, false, false, false]);
    expect(selected(false)).toEqual([false, true, false, false]);
    expect(selected('')).toEqual([false, false, true, false]);
    expect(selected({ exists: true })).toEqual([true, true, true, false]);
    expect(selected({ exists: false })).toEqual([false, false, false, true]);
  });

  it('matches a list by any of its items, and objects in a list too', () => {
    expect(selects(['x'], { a: ['w', 'x'] })).toBe(true);
    expect(selects(['x'], { a: [] })).toBe(false);
    expect(selects({ b: ['x'] }, { a: [{ b: 'w' }, { b: 'x' }] })).toBe(true);
    expect(selects([{ exists: false }], { a: [] })).toBe(true);
  });

  it('asks of leaves alone whether they exist: what has fields of its own does not', () => {
    expect(selects([{ exists: true }], { a: { b: 1 } })).toBe(false);
    expect(selects([{ exists: false }], { a: { b: 1 } })).toBe(true);
    expect(selects({ b: { c: [{ exists: false }] } }, {})).toBe(true);
    expect(selects({ b: { c: [{ exists: false }] } }, { a: { b: { c: null } } })).toBe(false);
  });

  it.each([
    [{ prefix: 'aws.' }, ['aws.appflow'], ['AWS.appflow', 'an aws.']],
    [{ prefix: { 'equals-ignore-case': 'aws.' } }, ['aws.appflow', 'AWS.appflow'], ['aw']],
    [{ suffix: '.png' }, ['a.png'], ['a.PNG', 'png']],
    [{ suffix: { 'equals-ignore-case': '.png' } }, ['a.png', 'a.PNG'], ['png']],
    [{ 'equals-ignore-case': 'Alice' }, ['alice', 'ALICE'], ['alice ']],
    [{ wildcard: '*/dir/*.p' }, ['a/dir/b.p', '/dir/.p'], ['a/dir/bxp']],
    [{ numeric: ['>', 0, '<=', 5] }, [0.1, 5], [0, 5.1, '3']],
    [{ numeric: ['=', 3] }, [3, 3.0], [4]],
    [{ 'anything-but': 'x' }, ['y', null, 3], ['x']],
    [{ 'anything-but': ['x', 'y'] }, ['z'], ['x', 'y']],
    [{ 'anything-but': [1, 2] }, [3, '1'], [1, 2]],
    [{ 'anything-but': { prefix: 'x' } }, ['yx'], ['x', 'xy']],
    [{ 'anything-but': { suffix: ['x', 'y'] } }, ['xz'], ['zx', 'zy']],
    [{ 'anything-but': { 'equals-ignore-case': 'x' } }, ['xx'], ['X']],
    [{ 'anything-but': { wildcard: '*/lib/*' } }, ['/bin/a'], ['/lib/a']],
  ])('%j selects %j and not %j', (condition, yes, no) => {
    for (const a of yes) expect([a, selects([condition], { a })]).toEqual([a, true]);
    for (const a of no) expect([a, selects([condition], { a })]).toEqual([a, false]);
    // None of them selects what is not there.
    expect(selects([condition], {})).toBe(false);
  });

  it('joins the alternatives of $or to what stands beside them', () => {
    const pattern = { kind: ['k'], $or: [{ a: [1] }, { b: { c: [2] } }] };
    expect(matches(pattern, { kind: 'k', a: 1 })).toBe(true);
    expect(matches(pattern, { kind: 'k', b: { c: 2 } })).toBe(true);
    expect(matches(pattern, { kind: 'k', a: 2, b: { c: 1 } })).toBe(false);
    expect(matches(pattern, { kind: 'other', a: 1 })).toBe(false);
  });

  it.each([
    { a: 'x' },
    { a: [] },
    { a: [{ unknown: 'x' }] },
    { a: [{ 'anything-but': ['x', 1] }] },
    { a: [{ prefix: 'x', suffix: 'y' }] },
    { $or: [{ a: ['x'] }] },
  ])('that EventBridge would refuse is an error: %j', (pattern) => {
    expect(() => matches(pattern, { a: 'x' })).toThrow('Event pattern is not valid');
  });
});
