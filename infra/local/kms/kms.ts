/** KMS, as far as RSA keys sign: https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html */
import {
  constants,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  privateEncrypt,
  randomUUID,
  sign,
} from 'node:crypto';
import { promisify } from 'node:util';
import type * as sdk from '@aws-sdk/client-kms';
import { type Environment, serviceOf, textIn } from '../wire/operation.ts';
import { errorOf, seconds } from '../wire/replies.ts';

const disabled = errorOf('DisabledException');
const invalidArn = errorOf('InvalidArnException');
const invalidState = errorOf('KMSInvalidStateException');
const invalidUsage = errorOf('InvalidKeyUsageException');
const missing = errorOf('NotFoundException');
const refused = errorOf('ValidationException');

interface Key {
  readonly id: string;
  readonly arn: string;
  readonly spec: 'RSA_2048' | 'RSA_3072' | 'RSA_4096';
  readonly usage: 'SIGN_VERIFY' | 'ENCRYPT_DECRYPT';
  tags: Readonly<Record<string, string>>;
  readonly privateKey: KeyObject;
  readonly createdAt: Date;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion';
}

/** PKCS #1 v1.5 wraps a digest in the hash's name before it pads. */
const ALGORITHMS: Readonly<Record<string, { hash: string; bytes: number; prefix: string }>> = {
  RSASSA_PKCS1_V1_5_SHA_256: { hash: 'sha256', bytes: 32, prefix: '3031300d060960864801650304020105000420' },
  RSASSA_PKCS1_V1_5_SHA_384: { hash: 'sha384', bytes: 48, prefix: '3041300d060960864801650304020205000430' },
  RSASSA_PKCS1_V1_5_SHA_512: { hash: 'sha512', bytes: 64, prefix: '3051300d060960864801650304020305000440' },
};

export function createKms(env: Environment) {
  const keys = new Map<string, Key>();
  /** Of the key, as a policy is held against it, also where an alias was given. */
  const arnOf = (keyId: string) => {
    const id = aliases.get(keyId.replace(/^arn:.*:alias\//, 'alias/')) ?? keyId;
    return id.startsWith('arn:') ? id : env.arn('kms', `key/${id}`);
  };
  const aliases = new Map<string, string>();

  /** By id, ARN, alias or ARN of an alias. */
  function find(keyId: string): Key {
    const key = keys.get(arnOf(keyId).replace(/^arn:.*:key\//, ''));
    if (key === undefined) throw missing(`Key '${arnOf(keyId)}' does not exist`);
    return key;
  }

  function needs(operation: string, input: object) {
    return [{ action: `kms:${operation}`, resource: arnOf(textIn(input, 'KeyId') ?? '') }];
  }

  const service = serviceOf<typeof sdk>(env, { name: 'kms', protocol: 'json1.1' }, needs, {
    DescribeKey(input) {
      const { id, arn, spec, usage, state, createdAt } = find(input.KeyId);
      const metadata = {
        AWSAccountId: env.accountId,
        KeyId: id,
        Arn: arn,
        CreationDate: seconds(createdAt),
        Enabled: state === 'Enabled',
        Description: '',
        KeyUsage: usage,
        KeyState: state,
        Origin: 'AWS_KMS',
        KeyManager: 'CUSTOMER',
        KeySpec: spec,
        MultiRegion: false,
        ...(usage === 'SIGN_VERIFY' && { SigningAlgorithms: Object.keys(ALGORITHMS) }),
      };
      return { KeyMetadata: metadata };
    },

    /** Always whole: a key has fewer tags than a page. An alias will not do. */
    ListResourceTags(input) {
      if (input.KeyId.includes('alias/')) throw invalidArn(`Invalid arn ${input.KeyId}`);
      const tags = Object.entries(find(input.KeyId).tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
      return { Tags: tags, Truncated: false };
    },

    Sign({ KeyId, Message, MessageType = 'RAW', SigningAlgorithm }) {
      const { arn, spec, usage, state, privateKey } = find(KeyId);
      if (state === 'Disabled') throw disabled(`${arn} is disabled.`);
      if (state === 'PendingDeletion') throw invalidState(`${arn} is pending deletion.`);
      if (usage !== 'SIGN_VERIFY') throw invalidUsage(`${arn} key usage is ${usage} which is not valid for Sign.`);
      const algorithm = ALGORITHMS[SigningAlgorithm];
      if (algorithm === undefined) {
        throw invalidUsage(`Algorithm ${SigningAlgorithm} is incompatible with key spec ${spec}.`);
      }
      const { hash, bytes, prefix } = algorithm;
      const message = Buffer.from(Message, 'base64');
      const signed = (signature: Buffer) => ({ KeyId: arn, Signature: signature.toString('base64'), SigningAlgorithm });
      if (MessageType === 'RAW') return signed(sign(hash, message, privateKey));
      if (message.length !== bytes) throw refused(`Digest is invalid length for algorithm ${SigningAlgorithm}.`);
      const wrapped = Buffer.concat([Buffer.from(prefix, 'hex'), message]);
      return signed(privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, wrapped));
    },
  });

  /** For tests and the sample loader: no permissions, no faults. */
  const state = {
    /** Makes an RSA key; returns its id. */
    async createKey(
      spec: Key['spec'] = 'RSA_2048',
      { usage = 'SIGN_VERIFY', tags = {} }: Partial<Pick<Key, 'usage' | 'tags'>> = {},
    ) {
      const id = randomUUID();
      const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: Number(spec.slice(4)) });
      const createdAt = env.now();
      keys.set(id, { id, arn: arnOf(id), spec, usage, tags, privateKey, createdAt, state: 'Enabled' });
      return id;
    },
    arn: (keyId: string) => find(keyId).arn,
    /** Replaces its tags. */
    tag(keyId: string, tags: Readonly<Record<string, string>>) {
      find(keyId).tags = tags;
    },
    /** Lets `alias/NAME` name a key, also where it named another. */
    alias(name: string, keyId: string) {
      aliases.set(name, find(keyId).id);
    },
    /** PEM, SPKI. */
    publicKey: (keyId: string) =>
      createPublicKey(find(keyId).privateKey).export({ type: 'spki', format: 'pem' }).toString(),
    setState(keyId: string, to: Key['state']) {
      find(keyId).state = to;
    },
  };
  return { service, state };
}
