import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  randomBytes,
  verify,
} from 'node:crypto';
import type { KMSClient } from '@aws-sdk/client-kms';
import fc from 'fast-check';
import { jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { certificateProblem, privateKeyProblem, signerAdapter } from '../../functions/adapters/signer.ts';
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
    const problem = privateKeyProblem(new Redacted(damaged));
    if (problem === undefined) await expect(sign(damaged, '{"exp":1}')).rejects.toMatchObject({ code: 'KEY_UNUSABLE' });
    else expect(problem).toContain('damaged');
  });
});

/** An odd number of that many bits, as a JWK spells it. */
function number(bits: number): string {
  const bytes = randomBytes(bits / 8);
  bytes.writeUInt8(bytes.readUInt8(0) | 128, 0);
  bytes.writeUInt8(bytes.readUInt8(bits / 8 - 1) | 1, bits / 8 - 1);
  return bytes.toString('base64url');
}

/** What decodes as an RSA key and is none: making it takes no primes. */
function junk(bits: number): KeyObject {
  const three = 'Aw';
  const rest = { d: number(bits - 8), p: three, q: three, dp: three, dq: three, qi: three };
  return createPrivateKey({ format: 'jwk', key: { kty: 'RSA', n: number(bits), e: 'AQAB', ...rest } });
}

describe('checking keys and certificates', () => {
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const passphrase = { cipher: 'aes-256-cbc', passphrase: 'open sesame', format: 'pem' } as const;
  const garbage = '-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n';

  it.each([
    ['an elliptic curve key in PKCS#8', pemOf(elliptic, 'pkcs8'), /of type ec\b.*RSA/],
    [
      'an elliptic curve key in SEC 1',
      elliptic.export({ type: 'sec1', format: 'pem' }).toString(),
      /elliptic curve.*RSA/,
    ],
    ['an Ed25519 key', pemOf(generateKeyPairSync('ed25519').privateKey, 'pkcs8'), /of type ed25519\b.*RSA/],
    [
      'an RSA-PSS key',
      pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey, 'pkcs8'),
      /of type rsa-pss\b/,
    ],
    ['an RSA key of 1024 bits', pemOf(short, 'pkcs8'), /1024 bits.*2048/],
    // To sign with these would take seconds, and minutes for a longer one.
    ['an RSA key of 4352 bits', pemOf(junk(4_352), 'pkcs1'), /4352 bits.*4096/],
    ['an RSA key of 8192 bits', pemOf(junk(8_192), 'pkcs1'), /longer.*4096/],
    ['an RSA key of 16384 bits', pemOf(junk(16_384), 'pkcs1'), /longer.*4096/],
    ['an RSA key of 65536 bits', pemOf(junk(65_536), 'pkcs8'), /longer.*4096/],
    ['one behind the words of another', `PRIVATE KEY-----x-\n${pemOf(junk(65_536), 'pkcs8')}`, /longer.*4096/],
    ['an RSA key of 1024 bits in base64', base64(pemOf(short, 'pkcs1')), /1024 bits.*2048/],
    ['an encrypted PKCS#8', privateKey.export({ ...passphrase, type: 'pkcs8' }).toString(), /encrypted.*passphrase/],
    ['an encrypted PKCS#1', privateKey.export({ ...passphrase, type: 'pkcs1' }).toString(), /encrypted.*passphrase/],
    [
      'an encrypted PKCS#8 in base64',
      base64(privateKey.export({ ...passphrase, type: 'pkcs8' }).toString()),
      /encrypted.*passphrase/,
    ],
    ['a public key', publicKey.export({ type: 'spki', format: 'pem' }).toString(), /public key.*private/],
    ['a public key in PKCS#1', publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(), /public key.*private/],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /certificate.*private key/],
    ['another PEM', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n', /another kind/],
    ['PEM around garbage', garbage, /damaged/],
    ['a PEM cut short', pkcs8.slice(0, 800), /damaged/],
    ['garbage', 'correct horse battery staple!', /no PEM/],
    ['garbage in base64', base64('correct horse battery staple!'), /no PEM/],
    ['nothing but blanks', '  \n ', /no PEM/],
  ])('names the problem with %s', (_what, text, problem) => {
    expect(privateKeyProblem(new Redacted(text))).toMatch(problem);
    // OpenSSL keeps a list of errors, and Node may find there what belongs to the key before.
    expect(privateKeyProblem(new Redacted(pkcs8))).toBeUndefined();
  });

  it('accepts an RSA key of 2048 bits', () => {
    expect(privateKeyProblem(new Redacted(pkcs8))).toBeUndefined();
  });

  it('never repeats the given text', () => {
    fc.assert(
      fc.property(anyText, fc.base64String({ minLength: 8 }), (text, body) => {
        const given = [text, body, `-----BEGIN ${body.slice(0, 12).toUpperCase()}-----\n${text}\n-----END`];
        for (const one of given) {
          const problem = privateKeyProblem(new Redacted(one));
          expect(problem).toBeDefined();
          if (one.trim().length >= 8) expect(problem).not.toContain(one.trim());
          if (!body.startsWith('PRIVATE')) expect(problem).not.toContain(body);
        }
      }),
    );
  });

  it('names the problem with text that is not a certificate', () => {
    expect(certificateProblem('correct horse battery staple', [])).toBe('is no X.509 certificate in PEM');
    expect(certificateProblem(pkcs8, [])).toBe('is no X.509 certificate in PEM');
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
