import * as v from 'valibot';
import type { GrantType } from '../credentials.ts';
import { type ErrorCode, RefreshError } from '../errors.ts';
import { sentences } from '../hint.ts';
import { parse } from '../parsing.ts';
import type { Redacted } from '../redacted.ts';
import { asObject, objectIn, seen, strayIn } from '../secret-text.ts';
import { enumerated, unknownKey } from '../wording.ts';
import type { HandOver, KeyProblem } from './connection.ts';
import { isProfileName } from './target.ts';

/** The unit of Secrets Manager's limit is bytes of UTF-8. */
const MOST_BYTES = 65_536;
/** A day. A JWT can be replayed by whoever sees it, and nobody can revoke it. */
const LONGEST_LIFETIME_SECONDS = 86_400;

const text = v.pipe(v.string('must be a string'), v.minLength(1, 'is empty'));
/** Messages name the key, so it must not be a secret that was pasted here: nothing but the published shapes is taken. */
const KMS_KEY =
  /^(?:arn:aws[a-z-]*:kms:[a-z0-9-]{2,30}:\d{12}:)?(?:alias\/[\w/-]{1,250}|(?:key\/)?(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))$/;
const kmsKeyId = v.pipe(
  text,
  v.maxLength(2048, 'is longer than 2048 characters'),
  v.regex(KMS_KEY, 'is not a key id, key ARN, alias or alias ARN of KMS'),
);

interface Fields {
  connectorProfileName: string;
  grantType: GrantType;
  loginUrl: string;
  handOver: HandOver;
  clientId: string;
  clientSecret: string;
  username: string;
  audience: string;
  privateKey: string;
  kmsKeyId: string;
  nextPrivateKey: string;
  nextKmsKeyId: string;
  certificate: string;
  lifetimeSeconds: number;
  refreshToken: string;
  oAuthRequest: { authCode: string; redirectUri: string };
  clientCredentialsArn: string;
}
export type Key = keyof Fields;
export type Values = Partial<Fields>;
interface Rule<T> {
  readonly grants: 'all' | readonly GrantType[];
  readonly schema: v.GenericSchema<unknown, T>;
}

/** The keys of a connection's secret: for which grants, and what the value must look like. */
const KEYS: { readonly [K in Key]: Rule<Fields[K]> } = {
  connectorProfileName: {
    grants: 'all',
    schema: v.pipe(
      v.string('must be a string'),
      v.check(
        isProfileName,
        'is not the name of a connector profile (1 to 256 of A-Z a-z 0-9 _ / @ + = . -; profiles with ! or # in their name are not supported, since tags cannot spell them)',
      ),
    ),
  },
  grantType: {
    grants: 'all',
    schema: v.picklist(
      ['JWT_BEARER', 'AUTHORIZATION_CODE', 'CLIENT_CREDENTIALS'],
      'must be JWT_BEARER, AUTHORIZATION_CODE or CLIENT_CREDENTIALS',
    ),
  },
  loginUrl: { grants: 'all', schema: text },
  handOver: {
    grants: 'all',
    schema: v.picklist(
      ['JWT', 'ACCESS_TOKEN', 'ACCESS_AND_REFRESH_TOKEN', 'CLIENT_CREDENTIALS_ARN'],
      'must be JWT, ACCESS_TOKEN, ACCESS_AND_REFRESH_TOKEN or CLIENT_CREDENTIALS_ARN',
    ),
  },
  clientId: { grants: ['JWT_BEARER', 'AUTHORIZATION_CODE'], schema: text },
  clientSecret: { grants: ['AUTHORIZATION_CODE'], schema: text },
  username: { grants: ['JWT_BEARER'], schema: text },
  audience: { grants: ['JWT_BEARER'], schema: text },
  privateKey: { grants: ['JWT_BEARER'], schema: text },
  kmsKeyId: { grants: ['JWT_BEARER'], schema: kmsKeyId },
  nextPrivateKey: { grants: ['JWT_BEARER'], schema: text },
  nextKmsKeyId: { grants: ['JWT_BEARER'], schema: kmsKeyId },
  certificate: { grants: ['JWT_BEARER'], schema: text },
  lifetimeSeconds: {
    grants: ['JWT_BEARER'],
    schema: v.pipe(
      v.number('must be a number'),
      v.integer('must be a whole number'),
      v.minValue(1, 'must be at least 1'),
      v.maxValue(LONGEST_LIFETIME_SECONDS, `must be at most ${LONGEST_LIFETIME_SECONDS}`),
    ),
  },
  refreshToken: { grants: ['AUTHORIZATION_CODE'], schema: text },
  oAuthRequest: {
    grants: ['AUTHORIZATION_CODE'],
    schema: v.strictObject({ authCode: text, redirectUri: text }),
  },
  clientCredentialsArn: { grants: ['AUTHORIZATION_CODE', 'CLIENT_CREDENTIALS'], schema: text },
};

/** All that is wrong with a secret, gathered into one error. */
export class Problems {
  readonly #found: { code: ErrorCode; text: string }[] = [];
  readonly #keys = new Set<Key>();
  readonly #cures = new Set<string>();

  add(text: string, code: ErrorCode = 'SECRET_MALFORMED'): void {
    this.#found.push({ code, text });
  }

  /** The value of a key is wrong. */
  addFor(key: Key, text: string): void {
    this.#keys.add(key);
    this.add(text);
  }

  /** A private key or certificate cannot be used. */
  addUnusable(key: Key, { says, cure }: KeyProblem): void {
    this.#cures.add(cure);
    this.add(`${key} ${says}`, 'KEY_UNUSABLE');
  }

  /** Whether the value of a key is already called wrong, so that it is not called missing as well. */
  mention(key: Key): boolean {
    return this.#keys.has(key);
  }

  get none(): boolean {
    return this.#found.length === 0;
  }

  error(name: string, secretPrefix: string): RefreshError {
    const codes = new Set(this.#found.map(({ code }) => code));
    const code =
      (['SECRET_MALFORMED', 'KEY_UNUSABLE', 'LOGIN_HOST_REFUSED', 'CONSTRAINT_VIOLATED'] as const).find((c) =>
        codes.has(c),
      ) ?? 'SECRET_MALFORMED';
    const texts = this.#found.map(({ text }) => text);
    const correct =
      code === 'LOGIN_HOST_REFUSED'
        ? `Correct loginUrl in ${secretPrefix}${name}, or add its host to LOGIN_HOSTS of the functions if it is yours.`
        : `Correct the secret ${secretPrefix}${name}: ${texts.length === 1 ? 'one thing is' : `${texts.length} things are`} wrong with it.`;
    return new RefreshError(code, `${enumerated(texts, '; ')}.`, sentences(correct, ...this.#cures));
  }
}

/**
 * The values of a secret's keys that have the right type; about all else there is a problem.
 *
 * @returns `undefined` where the secret is no JSON object
 */
export function readValues(secret: Redacted, problems: Problems): Values | undefined {
  const object = jsonObject(secret, problems);
  return object === undefined ? undefined : knownValues(object, problems);
}

function jsonObject(secret: Redacted, problems: Problems): Record<string, unknown> | undefined {
  if (Buffer.byteLength(secret.reveal()) > MOST_BYTES) {
    problems.add(`the value has more than ${MOST_BYTES} bytes`);
    return undefined;
  }
  const read = objectIn(secret);
  if ('object' in read) return read.object;
  problems.add(read.problem);
  return undefined;
}

function knownValues(object: Record<string, unknown>, problems: Problems): Values {
  const grant = v.safeParse(KEYS.grantType.schema, object['grantType']);
  const values: Values = {};
  for (const [key, value] of Object.entries(object)) {
    if (!isKey(key)) {
      const name = seen(key);
      problems.add(
        isKey(name)
          ? `the name of the key ${name} has white space or an invisible character around it`
          : `${unknownKey(key)} is not a key that a connection has`,
      );
      continue;
    }
    const { grants } = KEYS[key];
    if (grant.success && grants !== 'all' && !grants.some((g) => g === grant.output)) {
      problems.add(`${key} is not a key of ${grant.output} but of ${grants.join(' and ')}`);
      continue;
    }
    parseInto(values, key, value, problems);
  }
  if (!Object.hasOwn(object, 'grantType')) problems.add('grantType is missing');
  return values;
}

function parseInto<K extends Key>(values: Values, key: K, given: unknown, problems: Problems): void {
  const value = fromForm(key, given);
  // Said before anything else, since what nobody sees makes every other message look wrong.
  const stray = strayParts(key, value);
  for (const problem of stray) problems.addFor(key, problem);
  if (stray.length > 0) return;
  const schema: v.GenericSchema<unknown, Fields[K]> = KEYS[key].schema;
  const result = parse(schema, value);
  if ('output' in result) {
    values[key] = result.output;
    return;
  }
  for (const { at, says, isUnknownKey } of result.problems) {
    const where = [key, ...at].join('.');
    problems.addFor(key, isUnknownKey ? `${where} may not hold ${says}` : `${where} ${says}`);
  }
}

/** The console's form of keys and values stores every value as a string. */
function fromForm(key: Key, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (key === 'lifetimeSeconds' && /^\d{1,9}$/.test(value)) return Number(value);
  return key === 'oAuthRequest' ? (asObject(value) ?? value) : value;
}

/** Keys whose text may have any signs: they are read by what they are for. */
const PEM_KEYS: readonly Key[] = ['privateKey', 'nextPrivateKey', 'certificate'];

function strayParts(key: Key, value: unknown): readonly string[] {
  if (PEM_KEYS.includes(key)) return [];
  const parts = typeof value === 'string' ? [[key, value] as const] : seedParts(key, value);
  return parts.flatMap(([name, part]) => {
    const stray = strayIn(part, key === 'clientSecret') ?? (key === 'oAuthRequest' ? encodedIn(part) : undefined);
    return stray === undefined ? [] : [`${name} ${stray}`];
  });
}

/** A code ends with two equals signs, which the address bar that it is copied from shows as %3D%3D. */
function encodedIn(part: string): string | undefined {
  return /%3[ad]/i.test(part) && !part.includes('?')
    ? 'is percent-encoded, as an address is: store = for %3D'
    : undefined;
}

function seedParts(key: Key, value: unknown): readonly (readonly [string, string])[] {
  const object = key === 'oAuthRequest' ? asObject(value) : undefined;
  return ['authCode', 'redirectUri'].flatMap((part) => {
    const given = object?.[part];
    return typeof given === 'string' ? [[`${key}.${part}`, given] as const] : [];
  });
}

function isKey(key: string): key is Key {
  return Object.hasOwn(KEYS, key);
}
