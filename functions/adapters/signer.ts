import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import type { KMSClient } from '@aws-sdk/client-kms';
import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import type { KeyTagsRequest, Signer, Tagged } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';
import type { Run } from '../core/run.ts';
import { list, pages, readable, text } from './aws-answer.ts';
import { type AwsCall, callAws, unreadable } from './aws-call.ts';
import { keptTags } from './kept-tags.ts';

const HEADER = { alg: 'RS256', typ: 'JWT' } as const;
const FEWEST_BITS = 2048;
/** A signature blocks the whole function: minutes at 65,536 bits, so that one key would stop all others of its batch. */
const MOST_BITS = 4096;
/**
 * Bytes of the public half (RFC 8017 appendix A.1.1): modulus and exponent. They are counted before a key is asked for its details: from one of more
 * than 16,384 bits OpenSSL then leaves an error behind, and Node calls the next key that it reads damaged, which is another connection's.
 */
const MOST_PUBLIC_BYTES = 600;
/** Parsed keys kept in a warm function: signing with a kept key is twice as fast as from PEM. Keyed by a digest, so no PEM is kept. */
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
    certificateProblem,
    certificateEnd: (pem) => new Date(new X509Certificate(pemText(pem)).validTo),
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

/** What is wrong with a private key, as the end of a sentence and without any of its text; `undefined` where it will do. */
export function privateKeyProblem(pem: Redacted): string | undefined {
  const text = pemText(pem.reveal());
  const kind = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(text)?.[1];
  if (kind === undefined) return 'is no PEM, nor PEM in base64';
  if (kind === 'CERTIFICATE') return 'is a certificate; the private key that belongs to it is needed';
  if (kind.includes('PUBLIC KEY')) return 'is a public key; the private one is needed';
  if (kind === 'ENCRYPTED PRIVATE KEY' || text.includes('Proc-Type: 4,ENCRYPTED'))
    return 'is encrypted with a passphrase; store it without one';
  if (kind === 'EC PRIVATE KEY' || kind === 'EC PARAMETERS')
    return 'is an elliptic curve key; Salesforce takes RSA alone';
  if (kind !== 'RSA PRIVATE KEY' && kind !== 'PRIVATE KEY') return 'is a PEM of another kind than a private key';
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    // OpenSSL's message says nothing that a person could use.
    return 'is damaged: its text cannot be decoded';
  }
  if (key.asymmetricKeyType !== 'rsa') return `is a key of type ${key.asymmetricKeyType}; Salesforce takes RSA alone`;
  if (createPublicKey(key).export({ type: 'pkcs1', format: 'der' }).length > MOST_PUBLIC_BYTES)
    return `is longer than a key of ${MOST_BITS} bits, the most that is taken`;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < FEWEST_BITS) return `has ${bits} bits; at least ${FEWEST_BITS} are needed`;
  if (bits > MOST_BITS) return `has ${bits} bits; at most ${MOST_BITS} are taken`;
  return canSign(key) ? undefined : 'is damaged: what it signs does not verify';
}

/** A key can decode and yet be inconsistent, after a slip of the hand in its base64: then signing throws, or nobody accepts the signature. */
function canSign(key: KeyObject): boolean {
  const trial = Buffer.from('trial');
  try {
    return verify('sha256', trial, createPublicKey(key), sign('sha256', trial, key));
  } catch {
    return false;
  }
}

/** What is wrong with the certificate, as the end of a sentence. */
export function certificateProblem(pem: string, privateKeys: readonly Redacted[]): string | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pemText(pem));
  } catch {
    return 'is no X.509 certificate in PEM';
  }
  if (privateKeys.length === 0 || privateKeys.some((key) => certificate.checkPrivateKey(privateKey(key))))
    return undefined;
  return 'does not belong to privateKey or nextPrivateKey';
}

function privateKey(pem: Redacted): KeyObject {
  const text = pemText(pem.reveal());
  const digest = createHash('sha256').update(text).digest('base64');
  const kept = keys.get(digest);
  if (kept !== undefined) return kept;
  const key = createPrivateKey(text);
  if (keys.size >= MOST_KEYS) keys.clear();
  keys.set(digest, key);
  return key;
}

/**
 * PEM as it is, or out of base64. What shells, Terraform and environment variables do to line breaks is undone: `\\n` spelled out, or blanks in
 * their place.
 */
function pemText(given: string): string {
  const spelledOut = (text: string) => text.trim().replaceAll('\\r', '').replaceAll('\\n', '\n');
  let text = spelledOut(given);
  if (!text.startsWith('-----BEGIN') && /^[A-Za-z0-9+/=\s]+$/.test(text)) {
    text = spelledOut(Buffer.from(text, 'base64').toString('utf8'));
  }
  const oneLine = /^(-----BEGIN [A-Z0-9 ]+-----)([A-Za-z0-9+/= ]+)(-----END [A-Z0-9 ]+-----)$/.exec(text);
  if (oneLine === null) return text;
  const [, begin, body = '', end] = oneLine;
  return [begin, ...(body.replaceAll(' ', '').match(/.{1,64}/g) ?? []), end].join('\n');
}
