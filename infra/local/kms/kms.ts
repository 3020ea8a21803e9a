/** KMS, as far as asymmetric keys sign: https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html */
import { createPublicKey, generateKeyPair, type KeyObject, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type {
  CreateAliasRequest,
  CreateKeyRequest,
  DescribeKeyRequest,
  DisableKeyRequest,
  GetPublicKeyRequest,
  SignRequest,
} from '@aws-sdk/client-kms';
import type { Environment } from '../wire/environment.ts';
import { errorOf } from '../wire/error.ts';
import { operationsOf, type Service, textIn } from '../wire/operation.ts';
import { seconds } from '../wire/replies.ts';
import { SIGNING_ALGORITHMS, signatureOf } from './signing.ts';

const exists = errorOf('AlreadyExistsException');
const disabled = errorOf('DisabledException');
const invalidAlias = errorOf('InvalidAliasNameException');
const invalidState = errorOf('KMSInvalidStateException');
const invalidUsage = errorOf('InvalidKeyUsageException');
const missing = errorOf('NotFoundException');
const refused = errorOf('ValidationException');
const unsupported = errorOf('UnsupportedOperationException');

interface Key {
  readonly id: string;
  readonly arn: string;
  readonly spec: string;
  readonly usage: string;
  /** Symmetric keys have none: they are here to be described and to be refused. */
  readonly privateKey: KeyObject | undefined;
  readonly createdAt: Date;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion';
}

/** For tests and the sample loader: no permissions, no faults. */
export interface KmsState {
  /** Makes an RSA key for signing; returns its id. */
  createKey(spec?: 'RSA_2048' | 'RSA_3072' | 'RSA_4096'): Promise<string>;
  arn(keyId: string): string;
  /** PEM, SPKI. */
  publicKey(keyId: string): string;
  setState(keyId: string, state: Key['state']): void;
}

export interface Kms {
  readonly service: Service;
  readonly state: KmsState;
}

interface Requests {
  CreateKey: CreateKeyRequest;
  CreateAlias: CreateAliasRequest;
  DescribeKey: DescribeKeyRequest;
  DisableKey: DisableKeyRequest;
  GetPublicKey: GetPublicKeyRequest;
  Sign: SignRequest;
}

export function createKms(env: Environment): Kms {
  const keys = new Map<string, Key>();
  const aliases = new Map<string, string>();

  function add(spec: string, usage: string, privateKey: KeyObject | undefined): Key {
    const id = randomUUID();
    const key: Key = {
      id,
      arn: env.arn('kms', `key/${id}`),
      spec,
      usage,
      privateKey,
      createdAt: env.now(),
      state: 'Enabled',
    };
    keys.set(id, key);
    return key;
  }

  async function generate(spec: string, usage: string): Promise<Key> {
    if (spec === 'SYMMETRIC_DEFAULT') return add(spec, usage, undefined);
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: Number(spec.slice(4)) });
    return add(spec, usage, privateKey);
  }

  /** By id, key ARN, alias or alias ARN. */
  function find(keyId: string): Key {
    const name = keyId.startsWith('arn:') ? keyId.replace(/^(?:[^:]*:){5}(?:key\/)?/, '') : keyId;
    const key = keys.get(aliases.get(name) ?? name);
    if (key !== undefined) return key;
    const arn = name.startsWith('alias/') ? env.arn('kms', name) : env.arn('kms', `key/${name}`);
    throw missing(name.startsWith('alias/') ? `Alias ${arn} is not found.` : `Key '${arn}' does not exist`);
  }

  function usable(keyId: string, action: string): Key & { readonly privateKey: KeyObject } {
    const key = find(keyId);
    if (key.state === 'Disabled') throw disabled(`${key.arn} is disabled.`);
    if (key.state === 'PendingDeletion') throw invalidState(`${key.arn} is pending deletion.`);
    const { privateKey } = key;
    if (privateKey === undefined) {
      throw unsupported(`${key.arn} key spec is ${key.spec} which is not valid for ${action}.`);
    }
    return { ...key, privateKey };
  }

  const on = operationsOf<Requests>('kms', (operation, input) => {
    const keyId = textIn(input, 'KeyId') ?? textIn(input, 'TargetKeyId');
    const known = [...keys.values()].find(({ id, arn }) => arn === keyId || id === (aliases.get(keyId ?? '') ?? keyId));
    const resource = known?.arn ?? (keyId === undefined ? '*' : env.arn('kms', `key/${keyId}`));
    return [{ action: `kms:${operation}`, resource }];
  });

  const operations = [
    on('CreateKey', async ({ KeySpec = 'SYMMETRIC_DEFAULT', KeyUsage = 'ENCRYPT_DECRYPT' }) => {
      if (KeySpec === 'SYMMETRIC_DEFAULT' && KeyUsage === 'SIGN_VERIFY') {
        throw refused('The KeyUsage SIGN_VERIFY is not compatible with key spec SYMMETRIC_DEFAULT.');
      }
      if (KeySpec !== 'SYMMETRIC_DEFAULT' && !KeySpec.startsWith('RSA_')) {
        throw unsupported(`The local KMS makes no keys of spec ${KeySpec}.`);
      }
      return { KeyMetadata: metadata(env, await generate(KeySpec, KeyUsage)) };
    }),
    on('CreateAlias', ({ AliasName, TargetKeyId }) => {
      if (!AliasName.startsWith('alias/') || AliasName.startsWith('alias/aws/')) {
        throw invalidAlias('Alias must start with the prefix "alias/", and not with "alias/aws/".');
      }
      if (aliases.has(AliasName)) throw exists(`An alias with the name ${AliasName} already exists`);
      aliases.set(AliasName, find(TargetKeyId).id);
    }),
    on('DescribeKey', (input) => ({ KeyMetadata: metadata(env, find(input.KeyId)) })),
    on('DisableKey', (input) => {
      find(input.KeyId).state = 'Disabled';
    }),
    on('GetPublicKey', (input) => {
      const key = usable(input.KeyId, 'GetPublicKey');
      const der = createPublicKey(key.privateKey).export({ type: 'spki', format: 'der' });
      return {
        KeyId: key.arn,
        PublicKey: der.toString('base64'),
        KeySpec: key.spec,
        CustomerMasterKeySpec: key.spec,
        KeyUsage: key.usage,
        ...algorithms(key),
      };
    }),
    on('Sign', ({ KeyId, Message, MessageType = 'RAW', SigningAlgorithm }) => {
      const key = usable(KeyId, 'Sign');
      if (key.usage !== 'SIGN_VERIFY') {
        throw invalidUsage(`${key.arn} key usage is ${key.usage} which is not valid for Sign.`);
      }
      if (MessageType === 'EXTERNAL_MU') {
        throw refused(`Message type EXTERNAL_MU is incompatible with key spec ${key.spec}.`);
      }
      const signature = signatureOf(key, Buffer.from(Message, 'base64'), MessageType, SigningAlgorithm);
      return { KeyId: key.arn, Signature: signature.toString('base64'), SigningAlgorithm };
    }),
  ];

  return {
    service: { name: 'kms', protocol: 'json1.1', operations },
    state: {
      createKey: async (spec = 'RSA_2048') => (await generate(spec, 'SIGN_VERIFY')).id,
      arn: (keyId) => find(keyId).arn,
      publicKey: (keyId) =>
        createPublicKey(usable(keyId, 'GetPublicKey').privateKey).export({ type: 'spki', format: 'pem' }).toString(),
      setState(keyId, state) {
        find(keyId).state = state;
      },
    },
  };
}

function algorithms({ privateKey, usage }: Pick<Key, 'privateKey' | 'usage'>) {
  if (privateKey === undefined) return { EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'] };
  return usage === 'SIGN_VERIFY'
    ? { SigningAlgorithms: SIGNING_ALGORITHMS }
    : { EncryptionAlgorithms: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] };
}

function metadata(env: Environment, key: Key) {
  return {
    AWSAccountId: env.accountId,
    KeyId: key.id,
    Arn: key.arn,
    CreationDate: seconds(key.createdAt),
    Enabled: key.state === 'Enabled',
    Description: '',
    KeyUsage: key.usage,
    KeyState: key.state,
    Origin: 'AWS_KMS',
    KeyManager: 'CUSTOMER',
    KeySpec: key.spec,
    CustomerMasterKeySpec: key.spec,
    MultiRegion: false,
    ...algorithms(key),
  };
}
