/** KMS's Sign with an RSA key: RSASSA-PKCS1-v1_5 over a message or over its digest. */
import { constants, type KeyObject, privateEncrypt, sign } from 'node:crypto';
import { AwsError } from '../wire/error.ts';

const ALGORITHMS: Readonly<Record<string, { readonly hash: string; readonly bytes: number; readonly prefix: string }>> =
  {
    RSASSA_PKCS1_V1_5_SHA_256: { hash: 'sha256', bytes: 32, prefix: '3031300d060960864801650304020105000420' },
    RSASSA_PKCS1_V1_5_SHA_384: { hash: 'sha384', bytes: 48, prefix: '3041300d060960864801650304020205000430' },
    RSASSA_PKCS1_V1_5_SHA_512: { hash: 'sha512', bytes: 64, prefix: '3051300d060960864801650304020305000440' },
  };

export const SIGNING_ALGORITHMS = Object.keys(ALGORITHMS);

/** @throws ValidationException, InvalidKeyUsageException */
export function signatureOf(
  key: { readonly spec: string; readonly privateKey: KeyObject },
  message: Buffer,
  type: 'RAW' | 'DIGEST',
  name: string,
): Buffer {
  const algorithm = ALGORITHMS[name];
  if (algorithm === undefined) {
    throw new AwsError('InvalidKeyUsageException', `Algorithm ${name} is incompatible with key spec ${key.spec}.`);
  }
  if (type === 'RAW') return sign(algorithm.hash, message, key.privateKey);
  if (message.length !== algorithm.bytes) {
    throw new AwsError('ValidationException', `Digest is invalid length for algorithm ${name}.`);
  }
  // PKCS #1 v1.5 wraps the digest in the hash's name before it pads.
  const wrapped = Buffer.concat([Buffer.from(algorithm.prefix, 'hex'), message]);
  return privateEncrypt({ key: key.privateKey, padding: constants.RSA_PKCS1_PADDING }, wrapped);
}
