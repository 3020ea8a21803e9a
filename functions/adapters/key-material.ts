import { createPrivateKey, createPublicKey, type KeyObject, sign, verify, X509Certificate } from 'node:crypto';
import type { KeyProblem } from '../core/connection/connection.ts';
import type { Redacted } from '../core/redacted.ts';
import { type Form, foreignBytes, foreignForm } from './foreign-keys.ts';
import { type Block, readPem, shapeOf } from './pem.ts';

const FEWEST_BITS = 2048;
/**
 * Salesforce's own certificates have at most 4,096. A signature takes 4 ms with so many, 40 ms with twice, 200 ms with four times as many, and
 * minutes at 65,536. It blocks the whole function, so that one key would stop all others of its batch.
 */
const MOST_BITS = 8192;
/**
 * Bytes of the public half (RFC 8017 appendix A.1.1): modulus and exponent. They are counted before a key is asked for its details: from one of more
 * than 16,384 bits OpenSSL then leaves an error behind, and Node calls the next key that it reads damaged, which is another connection's.
 */
const MOST_PUBLIC_BYTES = 1_200;

/**
 * The private key in a text that holds PEM, PEM in base64, or bare DER in base64: the first that can be used, wherever it stands; where none can,
 * what is wrong with the first. What a tool has put around or into it is taken away, so the key is tried before it is believed.
 */
export function privateKeyIn(text: Redacted): KeyObject | KeyProblem {
  const reading = readPem(text.reveal());
  let problem: KeyProblem | undefined;
  for (const block of reading.blocks.filter((one) => kindOf(one) === 'private')) {
    const key = keyOf(block);
    if (!('says' in key)) return key;
    problem ??= key;
  }
  return problem ?? withoutKey(reading.blocks) ?? inWords(foreignForm(reading), 'is no PEM, nor PEM in base64');
}

function keyOf({ label, der, bytes, isLocked }: Block): KeyObject | KeyProblem {
  if (isLocked) return LOCKED;
  if (typeof der === 'string') {
    if (label.startsWith('ENCRYPTED')) return LOCKED;
    if (label === 'OPENSSHPRIVATEKEY') return OPENSSH;
    if (label.startsWith('SSH2')) return SSH2;
    if (label === 'ECPRIVATEKEY') return ELLIPTIC;
    if (label === 'DSAPRIVATEKEY') return otherType('dsa');
    // A label is soon changed, as if that converted anything.
    return (bytes && foreignBytes(bytes)) ?? { says: der, cure: WHOLE_FILE };
  }
  const shape = shapeOf(der);
  if (shape === 'locked') return LOCKED;
  if (shape === 'sec1') return ELLIPTIC;
  if (shape === 'dsa') return otherType('dsa');
  let key: KeyObject;
  try {
    // Labels are often wrong: the shape tells PKCS#1 from PKCS#8.
    key = createPrivateKey({ key: der, format: 'der', type: shape === 'pkcs1' ? 'pkcs1' : 'pkcs8' });
  } catch {
    // OpenSSL's message says nothing that a person could use.
    return { says: 'is damaged: its text cannot be decoded', cure: WHOLE_FILE };
  }
  return problemOf(key) ?? key;
}

function problemOf(key: KeyObject): KeyProblem | undefined {
  if (key.asymmetricKeyType !== 'rsa') return otherType(key.asymmetricKeyType ?? 'another');
  if (createPublicKey(key).export({ type: 'pkcs1', format: 'der' }).length > MOST_PUBLIC_BYTES)
    return { says: `is longer than a key of ${MOST_BITS} bits, the most that is taken`, cure: NEW_KEY };
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < FEWEST_BITS) return { says: `has ${bits} bits; at least ${FEWEST_BITS} are needed`, cure: NEW_KEY };
  if (bits > MOST_BITS)
    return {
      says: `has ${bits} bits; at most ${MOST_BITS} are taken, since signing would take too long`,
      cure: NEW_KEY,
    };
  return canSign(key) ? undefined : { says: 'is damaged: what it signs does not verify', cure: WHOLE_FILE };
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

/** What is said of blocks among which there is no private key. */
function withoutKey(blocks: readonly Block[]): KeyProblem | undefined {
  const kinds = new Set(blocks.map(kindOf));
  const kind = (['certificate', 'public', 'request', 'pkcs12', 'pkcs7', 'pgp', 'parameters', 'other'] as const).find(
    (one) => kinds.has(one),
  );
  switch (kind) {
    case undefined:
      return undefined;
    case 'certificate':
      return { says: 'is a certificate; the private key that belongs to it is needed', cure: FIND_KEY };
    case 'public':
      return { says: 'is a public key; the private one is needed', cure: FIND_KEY };
    case 'request':
      return { says: 'is a certificate request; the private key that signed it is needed', cure: FIND_KEY };
    case 'pkcs12':
      return PKCS12;
    case 'pkcs7':
      return { says: 'is a PKCS#7 bundle, which holds certificates and no private key', cure: FIND_KEY };
    case 'pgp':
      return { says: 'is a PGP key; Salesforce takes RSA keys of X.509 certificates', cure: NEW_KEY };
    case 'parameters':
      return { says: 'holds the parameters of a key and no private key', cure: FIND_KEY };
    case 'other':
      return { says: 'is a PEM of another kind than a private key', cure: FIND_KEY };
  }
}

type BlockKind = 'private' | 'certificate' | 'public' | 'request' | 'pkcs12' | 'pkcs7' | 'pgp' | 'parameters' | 'other';

/** Labels are often wrong, so what the bytes are comes first, where their shape tells one kind alone. */
function kindOf({ label, der, isLocked }: Block): BlockKind {
  if (label.startsWith('PGP')) return 'pgp';
  if (label.endsWith('PARAMETERS')) return 'parameters';
  if (label.endsWith('CRL')) return 'other';
  const shape = typeof der === 'string' || isLocked ? 'other' : shapeOf(der);
  if (shape === 'pkcs8' || shape === 'pkcs1' || shape === 'sec1' || shape === 'dsa' || shape === 'locked')
    return 'private';
  if (shape !== 'other') return shape;
  if (label.endsWith('PRIVATEKEY')) return 'private';
  if (label.endsWith('CERTIFICATEREQUEST')) return 'request';
  if (label.endsWith('CERTIFICATE')) return 'certificate';
  if (label.endsWith('PUBLICKEY')) return 'public';
  return label === 'PKCS7' || label === 'CMS' ? 'pkcs7' : 'other';
}

/**
 * The certificate in a text: of several the one whose key is among the private keys, in their order; without a private key the one that issued
 * none of the others, in a chain the leaf.
 *
 * @returns it alone in PEM: the text may hold a private key as well
 */
export function certificateIn(text: Redacted, privateKeys: readonly Redacted[]): { readonly pem: string } | KeyProblem {
  const reading = readPem(text.reveal());
  const blocks = reading.blocks.filter((block) => kindOf(block) === 'certificate');
  const [first] = blocks;
  if (first === undefined) return withoutCertificate(reading.blocks) ?? inWords(foreignForm(reading), NO_CERTIFICATE);
  const certificates = blocks.flatMap(({ der }) => (typeof der === 'string' ? [] : (parsed(der) ?? [])));
  const [one] = certificates;
  if (one === undefined) {
    const says = typeof first.der === 'string' ? first.der : 'is damaged: its text cannot be decoded';
    return { says: `${NO_CERTIFICATE}: it ${says}`, cure: WHOLE_FILE };
  }
  const keys = privateKeys.flatMap((key) => {
    const usable = privateKeyIn(key);
    return 'says' in usable ? [] : [usable];
  });
  for (const key of keys) {
    const own = certificates.find((certificate) => certificate.checkPrivateKey(key));
    if (own !== undefined) return { pem: own.toString() };
  }
  if (keys.length > 0)
    return {
      says: 'does not belong to privateKey or nextPrivateKey',
      cure: 'Store the certificate of the key that is stored, or leave certificate out. Both show the same digest in: openssl pkey -in KEY.pem -pubout | sha256sum and openssl x509 -in CERT.pem -noout -pubkey | sha256sum',
    };
  const isIssuer = (certificate: X509Certificate) =>
    certificates.some((other) => !other.raw.equals(certificate.raw) && other.checkIssued(certificate));
  return { pem: (certificates.find((certificate) => !isIssuer(certificate)) ?? one).toString() };
}

function parsed(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

function withoutCertificate(blocks: readonly Block[]): KeyProblem | undefined {
  const kinds = new Set(blocks.map(kindOf));
  const says = (what: string) => `${NO_CERTIFICATE}: it is ${what}`;
  if (kinds.has('pkcs7'))
    return {
      says: says('a PKCS#7 bundle'),
      cure: 'Take the certificates out of it: openssl pkcs7 -print_certs -in BUNDLE.p7b -out CERT.pem (-inform DER if it is binary)',
    };
  if (kinds.has('pkcs12'))
    return {
      says: says('a PKCS#12 file'),
      cure: 'Take the certificate out of it: openssl pkcs12 -in FILE.p12 -nokeys -out CERT.pem',
    };
  if (kinds.has('request'))
    return { says: says('a request for one'), cure: 'Store the certificate that was issued for the request.' };
  if (kinds.has('private')) return { says: says('a private key'), cure: OWN_CERTIFICATE };
  if (kinds.has('public')) return { says: says('a public key'), cure: OWN_CERTIFICATE };
  return blocks.length === 0 ? undefined : { says: says('a PEM of another kind'), cure: OWN_CERTIFICATE };
}

function inWords(form: Form | undefined, otherwise: string): KeyProblem {
  if (form === undefined) return { says: otherwise, cure: WHOLE_FILE };
  const isCertificate = otherwise === NO_CERTIFICATE;
  return { says: isCertificate ? `${NO_CERTIFICATE}: it ${form.says}` : form.says, cure: form.cure };
}

function otherType(type: string): KeyProblem {
  return { says: `is a key of type ${type}; Salesforce takes RSA alone`, cure: NEW_KEY };
}

const NO_CERTIFICATE = 'is no X.509 certificate in PEM';
const NEW_KEY =
  'Make an RSA key with its certificate, and upload that to the app: openssl req -x509 -newkey rsa:2048 -nodes -keyout KEY.pem -out CERT.pem -days 365 -subj /CN=appflow';
const WHOLE_FILE =
  'Store the whole file, BEGIN and END lines included. In one line of base64 nothing can happen to it: openssl base64 -A -in KEY.pem';
const FIND_KEY =
  'Store the file that says BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY, which was made together with the certificate.';
const OWN_CERTIFICATE =
  'Store the file that says BEGIN CERTIFICATE, the one that was uploaded to Salesforce, or leave certificate out.';

const ELLIPTIC: KeyProblem = { says: 'is an elliptic curve key; Salesforce takes RSA alone', cure: NEW_KEY };
const LOCKED: KeyProblem = {
  says: 'is encrypted with a passphrase, which nobody is there to type',
  cure: 'Remove the passphrase, and store PLAIN.pem: openssl pkey -in KEY.pem -out PLAIN.pem',
};
const OPENSSH: KeyProblem = {
  says: "is in OpenSSH's own format",
  cure: 'Convert a copy of the file to PEM, without a passphrase: ssh-keygen -p -N "" -m PEM -f COPY',
};
const SSH2: KeyProblem = {
  says: 'is in the format of ssh.com',
  cure: 'Convert a copy of the file to PEM, without a passphrase: ssh-keygen -i -f KEY > COPY, then ssh-keygen -p -N "" -m PEM -f COPY',
};
const PKCS12: KeyProblem = {
  says: 'is a PKCS#12 file (.p12, .pfx)',
  cure: 'Take the private key out of it: openssl pkcs12 -in FILE.p12 -nocerts -nodes -out KEY.pem (with -legacy if the file is old)',
};
