import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  verify,
} from 'node:crypto';
import type { KMSClient } from '@aws-sdk/client-kms';
import fc from 'fast-check';
import { jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { privateKeyProblem, signerAdapter } from '../../functions/adapters/signer.ts';
import { claimsSet } from '../../functions/core/grants/jwt-bearer.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { anyText, fakeRun } from '../support/rules.ts';

/** AppFlow's pattern for `jwtToken`, copied from its API reference; the end is anchored here besides. */
const JWT_TOKEN = /^([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_\-+/=]*)$/;

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });

function pemOf(key: KeyObject, type: 'pkcs1' | 'pkcs8'): string {
  return key.export({ type, format: 'pem' }).toString();
}

const pkcs1 = pemOf(privateKey, 'pkcs1');
const pkcs8 = pemOf(privateKey, 'pkcs8');
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** The ways in which a private key may stand in a secret. */
const FORMS = {
  'PKCS#1': pkcs1,
  'PKCS#8': pkcs8,
  'PKCS#1 in base64': base64(pkcs1),
  'PKCS#8 in base64': base64(pkcs8),
  'PKCS#8 in base64 of several lines': base64(pkcs8).replace(/.{76}/g, '$&\n'),
  'PKCS#1 with \\n spelled out': pkcs1.replaceAll('\n', '\\n'),
  'PKCS#8 with \\n spelled out': pkcs8.replaceAll('\n', '\\n'),
  'PKCS#8 with Windows line ends': pkcs8.replaceAll('\n', '\r\n'),
  'PKCS#8 between blanks': `\n  ${pkcs8}\n\n`,
};

const noKms = signerAdapter(() => Promise.reject(new Error('KMS is not expected')));

function sign(pem: string, claims: string): Promise<Redacted> {
  return noKms.sign({ pem: new Redacted(pem) }, claims, fakeRun());
}

async function verified(jwt: string, key: KeyObject = publicKey) {
  return jwtVerify(jwt, key, { algorithms: ['RS256'], currentDate: new Date(0) });
}

describe('a JWT signed with a PEM key', () => {
  it('matches the pattern of AppFlow and verifies independently to the given claims', async () => {
    const anyClaims = fc.record({
      issuer: anyText,
      subject: anyText,
      audience: anyText,
      expiresAt: fc.integer({ min: 1, max: 99_999_999_999 }),
    });
    const forms = fc.constantFrom(...Object.values(FORMS));
    await fc.assert(
      fc.asyncProperty(anyClaims, forms, async (claims, pem) => {
        const jwt = (await sign(pem, claimsSet(claims))).reveal();
        const { issuer, subject, audience, expiresAt } = claims;
        expect(jwt).toMatch(JWT_TOKEN);
        expect(jwt.split('.').slice(0, 2).join('')).not.toContain('-');
        const { payload, protectedHeader } = await verified(jwt);
        expect(payload).toEqual({ iss: issuer, sub: subject, aud: audience, exp: expiresAt });
        expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT' });
      }),
      { numRuns: 500 },
    );
  });

  it('carries the text of the claims byte for byte', async () => {
    const claims = '{ "exp":1,\n "sub" : "\\u007e\\u003E" }';
    const [, payload = ''] = (await sign(pkcs8, claims)).reveal().split('.');
    expect(Buffer.from(payload, 'base64url').toString()).toBe(claims);
  });

  it.each(Object.entries(FORMS))('can be signed with a key in the form %s', async (_form, pem) => {
    expect(privateKeyProblem(new Redacted(pem))).toBeUndefined();
    const [header, payload, signature = ''] = (await sign(pem, '{"exp":1}')).reveal().split('.');
    const input = Buffer.from(`${header}.${payload}`);
    expect(verify('RSA-SHA256', input, publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  it('is signed with the requested key although parsed keys are cached', async () => {
    const jwts = await Promise.all([
      sign(pkcs8, '{"exp":1}'),
      sign(pemOf(other.privateKey, 'pkcs8'), '{"exp":1}'),
      sign(pkcs8, '{"exp":1}'),
    ]);
    const [first = '', second = '', third = ''] = jwts.map((jwt) => jwt.reveal());
    await expect(verified(first)).resolves.toBeDefined();
    await expect(verified(second, other.publicKey)).resolves.toBeDefined();
    await expect(verified(second)).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
    expect(third).toBe(first);
  });

  it('prints as [redacted]', async () => {
    expect(`${await sign(pkcs8, '{"exp":1}')}`).toBe('[redacted]');
  });

  // The last byte of the modulus made even: the text decodes to a key with which no signature can be computed.
  it('fails with KEY_UNUSABLE when the PEM decodes to a damaged key', async () => {
    const der = privateKey.export({ type: 'pkcs1', format: 'der' });
    const lastOfModulus = 4 + 3 + 4 + 257 - 1;
    der.writeUInt8(der.readUInt8(lastOfModulus) ^ 1, lastOfModulus);
    const damaged = `-----BEGIN RSA PRIVATE KEY-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END RSA PRIVATE KEY-----\n`;
    expect(privateKeyProblem(new Redacted(damaged))?.says).toContain('damaged');
    await expect(sign(damaged, '{"exp":1}')).rejects.toMatchObject({ code: 'KEY_UNUSABLE' });
  });
});

describe('a JWT signed by KMS', () => {
  interface Sent {
    readonly KeyId: string;
    readonly Message: Uint8Array;
    readonly MessageType: string;
    readonly SigningAlgorithm: string;
  }

  /** PKCS #1 v1.5 over a ready digest: the prefix is the DER of SHA-256's DigestInfo (RFC 8017 section 9.2). */
  function signatureOver(digest: Uint8Array): Buffer {
    const prefix = Buffer.from('3031300d060960864801650304020105000420', 'hex');
    return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([prefix, digest]));
  }

  function kms(answer: (sent: Sent, call: number) => unknown) {
    const sent: Sent[] = [];
    const client = {
      send: async ({ input }: { input: Sent }) => {
        sent.push(input);
        return answer(input, sent.length);
      },
    };
    return { sent, signer: signerAdapter(async () => client as unknown as KMSClient) };
  }

  function failure(name: string, status: number): Error {
    const error = Object.assign(new Error('says what was sent: eyJhbGciOi'), { $metadata: { httpStatusCode: status } });
    error.name = name;
    return error;
  }

  it('matches the pattern of AppFlow, verifies, and sends KMS only a digest', async () => {
    const { sent, signer } = kms(({ Message }) => ({ Signature: signatureOver(Message) }));
    const claims = claimsSet({ issuer: '3MVG9', subject: 'zoë~>@example.com', audience: 'https://x.y', expiresAt: 5 });
    const jwt = (await signer.sign({ kmsKeyId: 'alias/sf' }, claims, fakeRun())).reveal();
    expect(jwt).toMatch(JWT_TOKEN);
    const { payload, protectedHeader } = await verified(jwt);
    expect(payload).toEqual({ iss: '3MVG9', sub: 'zoë~>@example.com', aud: 'https://x.y', exp: 5 });
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT' });
    const digest = createHash('sha256')
      .update(jwt.slice(0, jwt.lastIndexOf('.')))
      .digest();
    expect(sent).toEqual([
      { KeyId: 'alias/sf', Message: digest, MessageType: 'DIGEST', SigningAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256' },
    ]);
  });

  it('is retried only when KMS throttles or fails', async () => {
    const patient = kms(({ Message }, call) => {
      if (call === 1) throw failure('ThrottlingException', 400);
      if (call === 2) throw failure('KMSInternalException', 500);
      return { Signature: signatureOver(Message) };
    });
    const jwt = await patient.signer.sign({ kmsKeyId: 'alias/sf' }, '{"exp":1}', fakeRun());
    await expect(verified(jwt.reveal())).resolves.toBeDefined();
    expect(patient.sent).toHaveLength(3);

    const refusing = kms(() => {
      throw failure('DisabledException', 400);
    });
    await expect(refusing.signer.sign({ kmsKeyId: 'alias/sf' }, '{}', fakeRun())).rejects.toMatchObject({
      code: 'KEY_UNUSABLE',
    });
    expect(refusing.sent).toHaveLength(1);
  });

  it.each([
    ['NotFoundException', 400, 'KEY_UNUSABLE'],
    ['DisabledException', 400, 'KEY_UNUSABLE'],
    ['KMSInvalidStateException', 400, 'KEY_UNUSABLE'],
    ['InvalidKeyUsageException', 400, 'KEY_UNUSABLE'],
    ['ValidationException', 400, 'KEY_UNUSABLE'],
    ['KeyUnavailableException', 500, 'KMS_UNAVAILABLE'],
    ['KMSInternalException', 500, 'KMS_UNAVAILABLE'],
    ['AccessDeniedException', 400, 'ACCESS_DENIED'],
  ])('fails on %s (HTTP %i) with %s, naming the key but nothing that was sent', async (name, status, code) => {
    const { signer } = kms(() => {
      throw failure(name, status);
    });
    const error = await signer.sign({ kmsKeyId: 'alias/sf' }, '{}', fakeRun()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringContaining('alias/sf') });
    expect(error).not.toMatchObject({ message: expect.stringContaining('eyJ') });
    expect(error).not.toMatchObject({ hint: expect.stringContaining('eyJ') });
  });
});

it('the public keys of this file belong to its private keys', () => {
  expect(createPublicKey(pkcs1).equals(publicKey)).toBe(true);
});
