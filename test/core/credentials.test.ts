import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { APPFLOW_LIMITS, checkLimits, type LimitedField, violation } from '../../functions/core/credentials.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { requestModel } from '../../infra/local/wire/validation.ts';
import { everythingSaidBy, marker, thrownBy } from '../support/rules.ts';

/**
 * AppFlow's published limits a second time, written from its API reference and not from the product: lengths in characters, and
 * what the pattern asks for, said in another way where that is short. `fill` makes a value of a length that the pattern takes.
 */
interface Published {
  readonly least: number;
  readonly most: number;
  readonly matches: (value: string) => boolean;
  readonly fill: (length: number, filler: string) => string;
}

/** `\S+`, of the whole value: at least one character, and none of white space. */
const hasNoSpace = (value: string) => value !== '' && value.split(/\s/).length === 1;
const token = (most: number): Published => ({
  least: 0,
  most,
  matches: hasNoSpace,
  fill: (length, filler) => filler.repeat(length),
});
const startsAs = (start: string) => (length: number, filler: string) =>
  `${start}${filler.repeat(Math.max(0, length - start.length))}`.slice(0, length < start.length ? length : undefined);

const PUBLISHED: Readonly<Record<string, Published>> = {
  accessToken: token(4096),
  refreshToken: token(4096),
  'oAuthRequest.authCode': token(4096),
  'oAuthRequest.redirectUri': token(512),
  instanceUrl: token(256),
  clientCredentialsArn: {
    least: 20,
    most: 2048,
    matches: (value) => /^arn:aws:secretsmanager:.*:[0-9]+:.*$/.test(value),
    fill: startsAs('arn:aws:secretsmanager:eu-west-1:123456789012:secret:'),
  },
  jwtToken: {
    least: 0,
    most: 8000,
    matches: (value) => /^([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_\-+/=]*)$/.test(value),
    fill: startsAs('eyJh.eyJp.'),
  },
  connectorProfileName: {
    least: 0,
    most: 256,
    matches: (value) => value !== '' && [...value].every((c) => /[A-Za-z0-9_/!@#+=.-]/.test(c)),
    fill: (length, filler) => filler.repeat(length),
  },
  clientToken: {
    least: 1,
    most: 256,
    matches: (value) => value !== '' && [...value].every((c) => c >= ' ' && c <= '~'),
    fill: (length, filler) => filler.repeat(length),
  },
};

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  oAuth2GrantType: ['CLIENT_CREDENTIALS', 'AUTHORIZATION_CODE', 'JWT_BEARER'],
  connectionMode: ['Public', 'Private'],
};

/** Unicode code points; a lone surrogate is one. */
function lengthOf(value: string): number {
  let length = 0;
  for (const _ of value) length++;
  return length;
}

function accepts({ least, most, matches }: Published, value: string): boolean {
  const length = lengthOf(value);
  return length >= least && length <= most && matches(value);
}

function isLimited(field: string): field is LimitedField {
  return Object.hasOwn(APPFLOW_LIMITS, field);
}

function problemOf(field: string, value: string): string | undefined {
  if (!isLimited(field)) throw new Error(`${field} has no limit in the product`);
  return violation(field, value);
}

const characters = fc.constantFrom(...'aZ09_=.-+/~>:!# \t\n\u00a0\u2028é😀𝒳', '\ud83d', '\ude00');
const filler = fc.constantFrom('a', '-', '=', 'é', '😀', '𝒳', '\ud800', ' ', '\n');

/** Any code point but a surrogate: the unit `binary` of fast-check, without its table of a million strings, which takes seconds. */
const codePoint = fc.integer({ min: 0, max: 0x10_f7ff }).map(
  (n) => String.fromCodePoint(n < 0xd800 ? n : n + 0x800),
  (text) => {
    const point = typeof text === 'string' && [...text].length === 1 ? text.codePointAt(0) : undefined;
    if (point === undefined || (point >= 0xd800 && point < 0xe000)) throw new Error('That is no code point.');
    return point < 0xd800 ? point : point - 0x800;
  },
);

/** Values at and around both limits of a field, made of any characters, a few of them changed. */
function valuesFor({ least, most, fill }: Published): fc.Arbitrary<string> {
  const lengths = fc.constantFrom(
    ...[0, 1, 2, least - 1, least, least + 1, most - 1, most, most + 1].filter((n) => n >= 0),
  );
  const change = fc.record({ at: fc.nat({ max: most }), to: characters });
  const around = fc.tuple(lengths, filler, fc.array(change, { maxLength: 3 })).map(([length, one, changes]) => {
    const points = [...fill(length, one)];
    for (const { at, to } of changes) if (at < points.length) points[at] = to;
    return points.join('');
  });
  const near = fc.array(fc.oneof(characters, fc.constantFrom('arn:aws:secretsmanager:', ':1:', 'aws-cn', 'e30.e30.')), {
    maxLength: 30,
  });
  return fc.oneof(
    around,
    near.map((parts) => parts.join('')),
    fc.string({ unit: codePoint }),
  );
}

describe('checking a field against the limits of AppFlow', () => {
  it('knows exactly the fields that the API reference limits', () => {
    const published = [...Object.keys(PUBLISHED), ...Object.keys(CHOICES)];
    expect(Object.keys(APPFLOW_LIMITS).sort()).toEqual(published.sort());
  });

  it.each(Object.entries(PUBLISHED))('accepts exactly the published values for %s', (field, published) => {
    fc.assert(
      fc.property(valuesFor(published), (value) => {
        expect(problemOf(field, value) === undefined).toBe(accepts(published, value));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each(Object.entries(PUBLISHED))(
    'counts the characters of %s as code points up to the exact limit',
    (field, published) => {
      const { least, most, fill } = published;
      // Two UTF-16 units, where the pattern takes it.
      for (const one of ['a', '😀'].filter((sign) => published.matches(fill(100, sign)))) {
        const start = (length: number) => fill(length, one);
        expect([most - 1, most, most + 1].map((length) => lengthOf(start(length)))).toEqual([most - 1, most, most + 1]);
        expect(problemOf(field, start(most - 1))).toBeUndefined();
        expect(problemOf(field, start(most))).toBeUndefined();
        expect(problemOf(field, start(most + 1))).toBe(
          `${field} has ${most + 1} characters, AppFlow takes at most ${most}`,
        );
      }
      if (least > 0) expect(problemOf(field, fill(least - 1, 'a'))).toContain(`no fewer than ${least}`);
    },
  );

  it.each(Object.entries(CHOICES))('accepts only the published words for %s', (field, words) => {
    for (const word of words) {
      expect(problemOf(field, word)).toBeUndefined();
      for (const wrong of [word.toLowerCase(), `${word} `, word.slice(1), ''])
        expect(problemOf(field, wrong)).toContain(field);
    }
  });

  it.each([
    ['a space within', (value: string) => `${value.slice(0, 40)} ${value.slice(40)}`],
    ['a space at the end', (value: string) => `${value} `],
    ['a space at the beginning', (value: string) => ` ${value}`],
    ['a line feed at the end', (value: string) => `${value}\n`],
    ['CRLF at the end', (value: string) => `${value}\r\n`],
    ['a tab within', (value: string) => `${value.slice(0, 40)}\t${value.slice(40)}`],
    ['a no-break space within', (value: string) => `${value.slice(0, 40)}\u00a0${value.slice(40)}`],
    ['a line separator at the end', (value: string) => `${value}\u2028`],
    ['a byte order mark at the beginning', (value: string) => `\ufeff${value}`],
    ['an ideographic space within', (value: string) => `${value.slice(0, 40)}\u3000${value.slice(40)}`],
  ])('holds each pattern against the whole value: %s', (_, changed) => {
    for (const [field, { matches, fill }] of Object.entries(PUBLISHED)) {
      const good = fill(100, 'a');
      expect(problemOf(field, good)).toBeUndefined();
      const bad = changed(good);
      expect([field, problemOf(field, bad) === undefined]).toEqual([field, matches(bad)]);
      if (field !== 'clientCredentialsArn' && field !== 'clientToken')
        expect([field, matches(bad)]).toEqual([field, false]);
    }
  });

  it('allows a "-" only in the third segment of a JWT', () => {
    expect(problemOf('jwtToken', 'a.b.-_-')).toBeUndefined();
    expect(problemOf('jwtToken', 'a-.b.c')).toContain('pattern');
    expect(problemOf('jwtToken', 'a.-b.c')).toContain('pattern');
  });

  it.each(['aws-us-gov', 'aws-cn'])('explains that AppFlow cannot take an ARN of the partition %s', (partition) => {
    const arn = `arn:${partition}:secretsmanager:us-gov-west-1:123456789012:secret:x-abcdef`;
    expect(problemOf('clientCredentialsArn', arn)).toContain('partition');
  });

  it('never repeats the checked value', () => {
    const fields = fc.constantFrom(...Object.keys(PUBLISHED), ...Object.keys(CHOICES));
    fc.assert(
      fc.property(
        fields,
        marker,
        fc.constantFrom('', ' ', '-', 'arn:aws-cn:'),
        fc.constantFrom(0, 9_000),
        (field, secret, start, more) => {
          const value = `${start}${secret}${'\n'.repeat(more)}`;
          expect(problemOf(field, value) ?? '').not.toContain(secret);
        },
      ),
    );
  });
});

describe('checkLimits', () => {
  it('accepts fields that are within their limits or absent', () => {
    const fields = {
      accessToken: new Redacted('a'),
      refreshToken: undefined,
      connectorProfileName: 'sf',
      connectionMode: 'Public',
    };
    expect(() => checkLimits('sf-prod', fields)).not.toThrow();
  });

  it('names each wrong field with its limit and the connection in one error without values', () => {
    fc.assert(
      fc.property(marker, (secret) => {
        const error = thrownBy(() =>
          checkLimits('sf-prod', {
            accessToken: new Redacted(secret.repeat(400)),
            jwtToken: new Redacted(`${secret}-.${secret}.c`),
            oAuth2GrantType: secret,
            connectorProfileName: 'sf',
            instanceUrl: ` ${secret.repeat(30)}`,
          }),
        );
        expect(error).toMatchObject({ code: 'CONSTRAINT_VIOLATED', retryable: false });
        expect(error.message).toMatch(/^accessToken .*4096; jwtToken .*; oAuth2GrantType .*; instanceUrl .*256\.$/);
        expect(error.hint).toContain('sf-prod');
        expect(everythingSaidBy(error)).not.toContain(secret);
      }),
    );
  });
});

describe('the table of limits', () => {
  const model = requestModel('appflow', 'UpdateConnectorProfile');
  /** The members of UpdateConnectorProfile's request that a Salesforce profile can have, by the names of the table. */
  const modelled = new Map<string, (typeof model.shapes)[string]>();
  const walk = (shapeName: string, path: string) => {
    const shape = model.shapes[shapeName];
    if (shape === undefined) throw new Error(`The model has no shape ${shapeName}.`);
    if (shape.type !== 'structure') modelled.set(path, shape);
    for (const [name, { shape: next }] of Object.entries(shape.members)) {
      // Other connectors share this request.
      const isOther = shapeName.startsWith('ConnectorProfile') && /^[A-Z]/.test(name) && name !== 'Salesforce';
      if (!isOther) walk(next, name === 'authCode' || name === 'redirectUri' ? `oAuthRequest.${name}` : name);
    }
  };
  walk(model.root, '');

  it.each(Object.entries(APPFLOW_LIMITS))("says of %s what AWS's own model of the request says", (field, limit) => {
    const shape = modelled.get(field);
    if ('values' in limit) {
      expect([...limit.values].sort()).toEqual([...(shape?.enum ?? [])].sort());
      return;
    }
    expect({ min: shape?.min ?? 0, max: shape?.max }).toEqual({ min: limit.min, max: limit.max });
    // The model escapes more inside a class than it must.
    const plain = (pattern: string) => pattern.replace(/\\([-+/])/g, '$1');
    expect(plain(shape?.pattern ?? '(?!)')).toBe(plain(limit.pattern.source));
  });

  it("leaves out no member of AWS's model that has a limit", () => {
    const limited = [...modelled].filter(([, { max, pattern, enum: values }]) => max ?? pattern ?? values);
    expect(limited.map(([name]) => name).sort()).toEqual(Object.keys(APPFLOW_LIMITS).sort());
  });
});

describe('what is said of a field that AppFlow would not take', () => {
  it('names the values that there are', () => {
    expect(violation('oAuth2GrantType', 'PASSWORD')).toBe(
      'oAuth2GrantType is none of CLIENT_CREDENTIALS, AUTHORIZATION_CODE, JWT_BEARER',
    );
  });

  it('names the partition only where that is what is wrong with an ARN', () => {
    const arn = ':secretsmanager:cn-north-1:123456789012:secret:x';
    const { source } = APPFLOW_LIMITS.clientCredentialsArn.pattern;
    expect(violation('clientCredentialsArn', `arn:aws-cn${arn}`)).toBe(
      `clientCredentialsArn is in another partition than aws, and AppFlow's pattern ${source} has no place for it`,
    );
    const mismatch = `clientCredentialsArn does not match AppFlow's pattern ${source}`;
    expect(violation('clientCredentialsArn', `an arn:aws-cn${arn}`)).toBe(mismatch);
    expect(violation('clientCredentialsArn', `arn:aws-CN${arn}`)).toBe(mismatch);
    expect(violation('clientCredentialsArn', 'x'.repeat(20))).toBe(mismatch);
    expect(violation('jwtToken', 'arn:aws-cn:')).toMatch(/^jwtToken does not match/);
  });

  it('says what to change, and that AppFlow was not called', () => {
    expect(thrownBy(() => checkLimits('sf-eu', { jwtToken: new Redacted('x') })).hint).toBe(
      'Change what the secret of sf-eu or Salesforce gives for this field; AppFlow was not called.',
    );
    const two = thrownBy(() => checkLimits('sf-eu', { jwtToken: new Redacted('x'), connectionMode: 'Secret' }));
    expect(two.hint).toBe(
      'Change what the secret of sf-eu or Salesforce gives for these fields; AppFlow was not called.',
    );
    expect(two.message).toMatch(/^jwtToken does not match [^;]*; connectionMode is none of Public, Private\.$/);
  });
});
