import fc from 'fast-check';
import { Secrets } from '../support/leaks.ts';

/** Stand for secrets wherever one could be: nothing of ours may repeat a piece of them. The second one is no name of anything. */
export const MARKS = ['Zq7Xw2Kk9Jv4Qy8Rt1Mn6Hb3Gd5Ls0', 'pW8~eR3!uY6~tI1!oA9~sD4!fG7~kL2!'] as const;

export function markedSecrets(): Secrets {
  const secrets = new Secrets();
  for (const mark of MARKS) secrets.add('a marker', mark);
  return secrets;
}

/** What makes parsers slow, confuses them, or means something to a shell, a terminal, a log or JSON. */
const UNITS = [
  'a',
  '-',
  ' ',
  '\n',
  '\\n',
  '=',
  'A ',
  '%',
  '[',
  '{"a":',
  '😀',
  '\ud800',
  '\u202e',
  '\u0000',
  '.',
  'MII',
  '-----BEGIN ',
  '$&',
  'é',
  '*.',
];

/** Texts: plain, odd, marked, or of up to a quarter of a megabyte. */
export function oddText(marks: readonly string[] = MARKS): fc.Arbitrary<string> {
  const mark = fc.constantFrom(...marks);
  return fc.oneof(
    { weight: 1200, arbitrary: mark },
    { weight: 900, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
    {
      weight: 600,
      arbitrary: fc.constantFrom('', ' ', '0', 'null', 'true', '{}', '[]', '"', '__proto__', 'constructor', 'toString'),
    },
    {
      weight: 600,
      arbitrary: fc.tuple(fc.string({ unit: 'binary', maxLength: 8 }), mark).map(([some, marked]) => some + marked),
    },
    {
      weight: 300,
      arbitrary: fc
        .tuple(fc.constantFrom(...UNITS), fc.constantFrom(2, 12, 64, 300, 1_100, 5_000))
        .map(([unit, times]) => unit.repeat(times)),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...UNITS), mark)
        .map(([unit, marked]) => unit.repeat(250_000 / unit.length) + marked),
    },
  );
}

const nested = (depth: number, marked: string): unknown => {
  let value: unknown = marked;
  for (let n = 0; n < depth; n++) value = n % 2 === 0 ? [value] : { a: value };
  return value;
};

/** Values of any kind that JSON has. */
export function oddValue(marks: readonly string[] = MARKS): fc.Arbitrary<unknown> {
  const text = oddText(marks);
  return fc.oneof(
    { weight: 30, arbitrary: text },
    { weight: 15, arbitrary: fc.constantFrom(null, true, false, 0, -1, 1.5, 1e308, -1e-308, 2 ** 53, 86_400, {}, []) },
    { weight: 5, arbitrary: fc.array(text, { maxLength: 4 }) },
    { weight: 5, arbitrary: fc.dictionary(text, text, { maxKeys: 3 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(3, 50, 400), fc.constantFrom(...marks))
        .map(([depth, mark]) => nested(depth, mark)),
    },
  );
}

/**
 * A valid object with up to four changes: a value of another kind, a key removed, renamed or added, a part turned into text or into a list;
 * seldom something else altogether.
 */
export function edited(
  base: object,
  extraKeys: readonly string[],
  marks: readonly string[] = MARKS,
): fc.Arbitrary<unknown> {
  const value = oddValue(marks);
  const key = fc.oneof(
    fc.constantFrom(...keysOf(base), ...extraKeys),
    fc.constantFrom('__proto__', 'constructor', 'Clientid'),
    oddText(marks),
  );
  const change = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.tuple(key, value).map(
        ([name, put]) =>
          (object: object) =>
            withKey(object, name, put),
      ),
    },
    { weight: 2, arbitrary: key.map((name) => (object: object) => without(object, name)) },
    {
      weight: 1,
      arbitrary: key.map((name) => (object: object) => withKey(object, name, JSON.stringify(valueAt(object, name)))),
    },
    { weight: 1, arbitrary: key.map((name) => (object: object) => withKey(object, name, [valueAt(object, name)])) },
    {
      weight: 1,
      arbitrary: fc.tuple(key, key).map(
        ([from, to]) =>
          (object: object) =>
            withKey(without(object, from), to, valueAt(object, from)),
      ),
    },
  );
  return fc.oneof(
    {
      weight: 28,
      arbitrary: fc
        .array(change, { minLength: 0, maxLength: 4 })
        .map((changes) => changes.reduce<object>((object, apply) => apply(object), base)),
    },
    { weight: 2, arbitrary: value },
    { weight: 1, arbitrary: fc.constantFrom([base], JSON.stringify(base), JSON.stringify(JSON.stringify(base))) },
  );
}

/** A text with up to three injuries: cut, doubled, a character changed, something put in. */
export function damaged(whole: fc.Arbitrary<string>, marks: readonly string[] = MARKS): fc.Arbitrary<string> {
  const injury = fc.tuple(
    fc.constantFrom('cut', 'behead', 'put', 'change', 'double', 'drop'),
    fc.nat(),
    oddText(marks),
  );
  return fc.tuple(whole, fc.array(injury, { maxLength: 3 })).map(([text, injuries]) =>
    injuries.reduce((hurt, [kind, where, put]) => {
      const at = hurt.length === 0 ? 0 : where % hurt.length;
      if (kind === 'cut') return hurt.slice(0, at);
      if (kind === 'behead') return hurt.slice(at);
      if (kind === 'put') return hurt.slice(0, at) + put + hurt.slice(at);
      if (kind === 'double') return hurt + hurt.slice(0, 70_000);
      if (kind === 'drop') return hurt.slice(0, at) + hurt.slice(at + 1 + (where % 9));
      return hurt.slice(0, at) + String.fromCharCode(hurt.charCodeAt(at) ^ (1 << (where % 7))) + hurt.slice(at + 1);
    }, text),
  );
}

/** Keys of the object and, with a dot, of the objects in it. */
function keysOf(base: object): string[] {
  return Object.entries(base).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? [key, ...Object.keys(value).map((inner) => `${key}/${inner}`)]
      : [key],
  );
}

function valueAt(object: object, path: string): unknown {
  let value: unknown = object;
  for (const key of path.split('/'))
    value =
      typeof value === 'object' && value !== null
        ? Object.entries(value).find(([name]) => name === key)?.[1]
        : undefined;
  return value ?? null;
}

/** Own properties throughout, so that `__proto__` is one too, as in what JSON.parse gives. */
function withKey(object: object, path: string, value: unknown): object {
  const at = path.indexOf('/');
  if (at > 0) {
    const inner = valueAt(object, path.slice(0, at));
    if (typeof inner === 'object' && inner !== null)
      return withKey(object, path.slice(0, at), withKey(inner, path.slice(at + 1), value));
  }
  return Object.fromEntries([...Object.entries(object).filter(([name]) => name !== path), [path, value]]);
}

function without(object: object, path: string): object {
  const at = path.indexOf('/');
  if (at > 0) {
    const inner = valueAt(object, path.slice(0, at));
    if (typeof inner === 'object' && inner !== null)
      return withKey(object, path.slice(0, at), without(inner, path.slice(at + 1)));
  }
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== path));
}

/** AppFlow's report of a flow that failed to log in. */
export const FLOW_EVENT = {
  version: '0',
  id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
  'detail-type': 'AppFlow End Flow Run Report',
  source: 'aws.appflow',
  time: '2026-11-24T03:00:00Z',
  detail: {
    'flow-name': 'orders',
    status: 'Execution Failed',
    error: 'invalid_grant',
    'start-time': '2026-11-24T03:00:00Z[UTC]',
    'deactivation-reason': 'x',
  },
};

/** CloudTrail's event of an update of a connector profile. */
export const CALL_EVENT = {
  version: '0',
  id: '7a7e8feb-b491-4cf7-a9f1-bf3703467718',
  'detail-type': 'AWS API Call via CloudTrail',
  source: 'aws.appflow',
  time: '2026-11-24T03:00:00Z',
  detail: {
    eventName: 'UpdateConnectorProfile',
    eventTime: '2026-11-24T03:00:00Z',
    userAgent: 'APN/1.0 HashiCorp/1.0 Terraform/1.13.4',
    userIdentity: {
      type: 'AssumedRole',
      arn: 'arn:aws:sts::123456789012:assumed-role/ci/build',
      invokedBy: 'cloudformation.amazonaws.com',
      sessionContext: { sessionIssuer: { arn: 'arn:aws:iam::123456789012:role/ci' } },
    },
    requestParameters: { connectorProfileName: 'sf' },
  },
};

/** Keys of it that lie deeper. */
export const CALL_EVENT_KEYS = [
  'detail/errorCode',
  'detail/userIdentity/arn',
  'detail/userIdentity/invokedBy',
  'detail/userIdentity/sessionContext/sessionIssuer/arn',
  'detail/requestParameters/connectorProfileName',
];
