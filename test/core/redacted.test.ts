import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RefreshError } from '../../functions/core/errors.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { anyText, marker } from '../support/rules.ts';

/** Every way in which a value ends up as text that a person, a log or another process could read. */
const WAYS: Readonly<Record<string, (box: Redacted) => string>> = {
  'a template': (box) => `${box}`,
  concatenation: (box) => `value: ${String(box)}`.concat(String([box, [box]])),
  JSON: (box) => JSON.stringify(box),
  'JSON of what holds it': (box) => JSON.stringify({ a: [{ box }], b: new Map([['box', box]]), c: [box] }, null, 2),
  inspect: (box) => inspect(box),
  'inspect of what holds it': (box) =>
    inspect({ a: { b: { c: [box, new Map([[box, box]]), new Set([box])] } } }, { depth: 10 }),
  'inspect with everything shown': (box) =>
    inspect({ box, list: [box] }, { depth: 10, showHidden: true, getters: true, showProxy: true }),
  'inspect without custom printing': (box) => inspect({ box }, { customInspect: false, depth: 10, showHidden: true }),
  'what console prints': (box) =>
    ['%s', '%o', '%O', '%j', '%d', '%i', 'text'].map((spec) => format(spec, box, { box }, box)).join(),
  'a structured clone': (box) =>
    inspect(structuredClone({ box }), { showHidden: true, depth: 9 }) + JSON.stringify(structuredClone({ box })),
  serialisation: (box) => serialize({ box }).toString('latin1'),
  'its keys and entries': (box) =>
    inspect(
      [
        Object.entries(box),
        Object.keys(box),
        Object.values(box),
        Reflect.ownKeys(box),
        Object.getOwnPropertyDescriptors(box),
        { ...box },
      ],
      { depth: 9 },
    ),
  'the message of an error': (box) =>
    inspect(new RefreshError('SALESFORCE_REFUSED', `refused ${box}`, `do ${box}`, box), { depth: 9, showHidden: true }),
  'an error that carries it': (box) => {
    const error = Object.assign(new Error(`${box}`, { cause: box }), { box });
    return inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error) + error.stack;
  },
};

describe('a Redacted secret', () => {
  it.each(Object.entries(WAYS))('stays hidden in %s', (_way, show) => {
    fc.assert(
      fc.property(marker, (secret) => {
        expect(show(new Redacted(secret))).not.toContain(secret);
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    'a template',
    'JSON',
    'inspect',
    'JSON of what holds it',
    'inspect of what holds it',
    'what console prints',
  ])('appears as [redacted] in %s', (way) => {
    expect(WAYS[way]?.(new Redacted('zQ7secret'))).toContain('[redacted]');
  });

  it('is revealed unchanged', () => {
    fc.assert(
      fc.property(anyText, (secret) => {
        expect(new Redacted(secret).reveal()).toBe(secret);
      }),
    );
  });

  it('stays hidden when reveal is called on another object', () => {
    const { reveal } = Redacted.prototype;
    expect(() => reveal.call({} as Redacted)).toThrow(TypeError);
    expect(() => reveal.call(structuredClone(new Redacted('zQ7secret')))).toThrow(TypeError);
  });
});
