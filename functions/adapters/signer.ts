import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import type { KMSClient } from '@aws-sdk/client-kms';
import * as v from 'valibot';
import type { KeyProblem } from '../core/connection/connection.ts';
import { RefreshError } from '../core/errors.ts';
import type { KeyTagsRequest, Signer, Tagged } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';
import type { Run } from '../core/run.ts';
import { list, pages, readable, text } from './aws-answer.ts';
import { type AwsCall, callAws, unreadable } from './aws-call.ts';
import { keptTags } from './kept-tags.ts';
import { certificateIn, privateKeyIn } from './key-material.ts';

const HEADER = { alg: 'RS256', typ: 'JWT' } as const;
/** Keys that were read and tried, kept in a warm function: signing with one is twice as fast as from PEM. By a digest, so no text is kept. */
const keys = new Map<string, KeyObject>();
const MOST_KEYS = 256;

/**
 * Signs assertions, with a PEM key through `jsonwebtoken` or with a key that never leaves KMS.
 *
 * @param kms makes the KMS client; asked only where a connection uses one, since loading it costs start-up time
 */
export function signerAdapter(kms: () => Promise<KMSClient>): Signer {
  const kept = keptTags();
  return {
    keyTags({ kmsKeyId, willDo, denied }, run) {
      return kept(kmsKeyId, willDo, async () => tagsOfKey(kmsKeyId, denied, await kms(), run));
    },
    sign(key, claims, run) {
      return 'pem' in key ? signWithPem(key.pem, claims) : signWithKms(key.kmsKeyId, claims, kms, run);
    },
    privateKeyProblem,
    certificateIn,
    certificateEnd: (pem) => new X509Certificate(pem).validToDate,
  };
}

/** An alias is looked up first: tags are listed by id or ARN alone. */
async function tagsOfKey(
  keyId: string,
  denied: KeyTagsRequest['denied'],
  client: KMSClient,
  run: Run,
): Promise<Tagged> {
  const { DescribeKeyCommand, ListResourceTagsCommand } = await import('@aws-sdk/client-kms');
  const call = (operation: string): AwsCall => ({
    action: `kms:${operation}`,
    resource: keyId,
    unavailable: 'KMS_UNAVAILABLE',
    meanings: { ...kmsMeanings(keyId), AccessDeniedException: denied },
  });
  const describing = call('DescribeKey');
  const { KeyMetadata } = await callAws(describing, run, async (options) =>
    readable(KeyAnswer, await client.send(new DescribeKeyCommand({ KeyId: keyId }), options), describing),
  );
  const arn = KeyMetadata.Arn;
  const listing = call('ListResourceTags');
  const get = (Marker: string | undefined) =>
    callAws(listing, run, async (options) =>
      readable(TagsAnswer, await client.send(new ListResourceTagsCommand({ KeyId: arn, Marker }), options), listing),
    );
  const tags = new Map<string, string>();
  const answers = await pages(listing, get, ({ Truncated, NextMarker }) => (Truncated === true ? NextMarker : ''));
  // With half of its tags a key could seem to serve others than it does.
  if (answers.at(-1)?.Truncated === true) throw unreadable(listing);
  for (const { TagKey, TagValue } of answers.flatMap(({ Tags }) => Tags)) {
    if (typeof TagKey === 'string' && typeof TagValue === 'string') tags.set(TagKey, TagValue);
  }
  return { arn, tags };
}

/** The ARN is what is signed with, so it must be a key's own. */
const KeyAnswer = v.object({
  KeyMetadata: v.object({ Arn: v.pipe(v.string(), v.regex(/^arn:[\w-]+:kms:[\w-]*:\d*:key\/[\w-]+$/)) }),
});
const TagsAnswer = v.object({
  Tags: list(v.object({ TagKey: text, TagValue: text })),
  Truncated: v.nullish(v.boolean()),
  NextMarker: text,
});
const SignAnswer = v.object({
  Signature: v.pipe(
    v.instance(Uint8Array),
    v.check(({ length }) => length > 0),
  ),
});

async function signWithPem(pem: Redacted, claims: string): Promise<Redacted> {
  const { default: jwt } = await import('jsonwebtoken');
  // A string payload is kept byte for byte; `typ` must then be given by hand.
  return new Redacted(jwt.sign(claims, privateKey(pem), { algorithm: 'RS256', header: HEADER }));
}

async function signWithKms(keyId: string, claims: string, kms: () => Promise<KMSClient>, run: Run): Promise<Redacted> {
  const { SignCommand } = await import('@aws-sdk/client-kms');
  const client = await kms();
  const signingInput = `${Buffer.from(JSON.stringify(HEADER)).toString('base64url')}.${Buffer.from(claims).toString('base64url')}`;
  // A digest, since KMS takes no more than 4,096 bytes of message.
  const Message = createHash('sha256').update(signingInput).digest();
  const command = new SignCommand({
    KeyId: keyId,
    Message,
    MessageType: 'DIGEST',
    SigningAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256',
  });
  const call = {
    action: 'kms:Sign',
    resource: keyId,
    unavailable: 'KMS_UNAVAILABLE',
    meanings: kmsMeanings(keyId),
  } as const;
  const { Signature } = await callAws(call, run, async (options) =>
    readable(SignAnswer, await client.send(command, options), call),
  );
  return new Redacted(`${signingInput}.${Buffer.from(Signature).toString('base64url')}`);
}

function kmsMeanings(keyId: string): NonNullable<AwsCall['meanings']> {
  const unusable = (problem: string) => (cause: Error) =>
    new RefreshError(
      'KEY_UNUSABLE',
      `The KMS key ${keyId} ${problem}.`,
      `Use an enabled asymmetric key of KMS with the usage SIGN_VERIFY and the spec RSA_2048 or longer, in this Region, as kmsKeyId.`,
      cause,
    );
  return {
    NotFoundException: unusable('does not exist'),
    DisabledException: unusable('is disabled'),
    KMSInvalidStateException: unusable('is not enabled'),
    InvalidKeyUsageException: unusable('is not an RSA key for signing'),
    ValidationException: unusable('is not an RSA key for signing, or its name is wrong'),
    UnsupportedOperationException: unusable('cannot sign'),
    InvalidArnException: unusable('is not named by an ARN that KMS understands'),
    KeyUnavailableException: (cause) =>
      new RefreshError('KMS_UNAVAILABLE', `The KMS key ${keyId} is not available for now.`, { kind: 'wait' }, cause),
  };
}

/** What is wrong with a private key, without any of its text; `undefined` where it will do. */
export function privateKeyProblem(text: Redacted): KeyProblem | undefined {
  const key = keptKey(text);
  return 'says' in key ? key : undefined;
}

function keptKey(text: Redacted): KeyObject | KeyProblem {
  const digest = createHash('sha256').update(text.reveal()).digest('base64');
  const kept = keys.get(digest);
  if (kept !== undefined) return kept;
  const key = privateKeyIn(text);
  if ('says' in key) return key;
  if (keys.size >= MOST_KEYS) keys.clear();
  keys.set(digest, key);
  return key;
}

/** @throws RefreshError `KEY_UNUSABLE` where nobody has looked at the key before */
function privateKey(text: Redacted): KeyObject {
  const key = keptKey(text);
  if ('says' in key) throw new RefreshError('KEY_UNUSABLE', `The private key ${key.says}.`, key.cure);
  return key;
}
