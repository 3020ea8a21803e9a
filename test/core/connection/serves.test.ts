import { describe, expect, it } from 'vitest';
import { checkServes, keyUnseen, SERVES_TAG, serves, tagToServe } from '../../../functions/core/connection/serves.ts';
import { thrownBy } from '../../support/rules.ts';

const TAG = 'appflow-token-refresher-connections';
const tagged = (...values: string[]) =>
  new Map(values.map((value, n) => [n === 0 ? TAG : `${TAG}-${n + 1}`, value] as const));
const ARN = 'arn:aws:kms:us-east-1:123456789012:key/1';

describe('the tag of a key or client secret', () => {
  it('has a name that roles and docs know', () => {
    expect(SERVES_TAG).toBe(TAG);
  });

  it('names the connections that it serves, separated by spaces', () => {
    expect(serves(tagged('one two'), 'one')).toBe(true);
    expect(serves(tagged('one two'), 'two')).toBe(true);
    expect(serves(tagged('one two'), 'on')).toBe(false);
    expect(serves(tagged('one two'), 'one two')).toBe(false);
  });

  it('names any of them where it says so', () => {
    expect(serves(tagged('one :any'), 'two')).toBe(true);
    expect(serves(tagged('any'), 'two')).toBe(false);
  });

  it('goes on in the tags -2 to -9, and in no others', () => {
    for (let n = 2; n <= 9; n++) expect(serves(new Map([[`${TAG}-${n}`, 'one']]), 'one')).toBe(true);
    for (const n of [0, 1, 10]) expect(serves(new Map([[`${TAG}-${n}`, 'one']]), 'one')).toBe(false);
    expect(serves(new Map([['Stryker was here', 'one']]), 'one')).toBe(false);
  });

  it('serves nobody where it is missing or empty', () => {
    expect(serves(new Map(), 'one')).toBe(false);
    expect(serves(new Map(), '')).toBe(false);
    expect(serves(tagged(''), '')).toBe(false);
  });
});

describe('the tag that lets one more connection be served', () => {
  it('keeps those that are served, and drops what is no name', () => {
    expect(tagToServe(new Map(), 'one')).toEqual({ key: TAG, value: 'one' });
    expect(tagToServe(tagged("two 'x' :any  three"), 'one')).toEqual({ key: TAG, value: 'two :any three one' });
  });

  it('is the first that has room for 256 characters', () => {
    const full = 'a'.repeat(252);
    expect(tagToServe(tagged(full), 'one')).toEqual({ key: TAG, value: `${full} one` });
    expect(tagToServe(tagged(`${full}a`), 'one')).toEqual({ key: `${TAG}-2`, value: 'one' });
    expect(tagToServe(tagged(`${full}a`, `${full}a`, 'two'), 'one')).toEqual({ key: `${TAG}-3`, value: 'two one' });
  });

  it('is none where all nine are full', () => {
    expect(tagToServe(tagged(...Array.from({ length: 9 }, () => 'a'.repeat(256))), 'one')).toBeUndefined();
  });
});

describe('a key or client secret that does not serve a connection', () => {
  it('is refused with the command that its owner runs', () => {
    expect(() => checkServes('KMS key', { arn: ARN, tags: tagged('one') }, 'one')).not.toThrow();
    expect(thrownBy(() => checkServes('KMS key', { arn: ARN, tags: tagged('two') }, 'one'))).toMatchObject({
      code: 'ACCESS_DENIED',
      message: `The KMS key ${ARN} does not say that it serves one: its tag ${TAG} does not name it.`,
      hint: `If it should, its owner runs: aws kms tag-resource --key-id ${ARN} --tags 'TagKey=${TAG},TagValue=two one'`,
    });
    expect(thrownBy(() => checkServes('client secret', { arn: 'arn:s', tags: new Map() }, 'one'))).toMatchObject({
      code: 'ACCESS_DENIED',
      message: `The client secret arn:s does not say that it serves one: its tag ${TAG} does not name it.`,
      hint: `If it should, its owner runs: aws secretsmanager tag-resource --secret-id arn:s --tags 'Key=${TAG},Value=one'`,
    });
  });

  it('is refused with what to do where there is no room in its tags', () => {
    const tags = tagged(...Array.from({ length: 9 }, () => 'a'.repeat(256)));
    expect(thrownBy(() => checkServes('client secret', { arn: 'arn:s', tags }, 'one')).hint).toBe(
      `Make room in the tags ${TAG} to ${TAG}-9 of the client secret, or set the first to :any.`,
    );
  });

  it('and that may not even be looked at has the same cure', () => {
    const cause = new Error('denied');
    expect(keyUnseen(ARN, 'one', cause)).toMatchObject({
      code: 'ACCESS_DENIED',
      message: `kms:DescribeKey or kms:ListResourceTags on ${ARN} is denied: the functions may use no key without the tag ${TAG}.`,
      hint: `If the key should sign for one and has no such tag: aws kms tag-resource --key-id ${ARN} --tags 'TagKey=${TAG},TagValue=one'. If it has, its policy must allow kms:DescribeKey, kms:ListResourceTags and kms:Sign.`,
      cause,
    });
    expect(keyUnseen('alias/sf', 'one', cause).hint).toBe(
      `If the key should sign for one and has no such tag: the key behind alias/sf gets the tag ${TAG} = one. If it has, its policy must allow kms:DescribeKey, kms:ListResourceTags and kms:Sign.`,
    );
  });
});
