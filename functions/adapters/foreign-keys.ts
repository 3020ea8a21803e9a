import type { Reading } from './pem.ts';

/** What stands where a key should, when it is no PEM: told from its first signs alone. */
export interface Form {
  /** The end of a sentence. */
  readonly says: string;
  readonly cure: string;
}

const TO_PEM = 'Take the private key out of it as PEM: ';

/** By how the bytes begin, in hexadecimal. */
const HEADS: readonly (Form & { readonly head: string })[] = [
  {
    head: 'feedfeed',
    says: 'is a Java keystore (JKS)',
    cure: `${TO_PEM}keytool -importkeystore -srckeystore FILE.jks -destkeystore FILE.p12 -deststoretype PKCS12, then openssl pkcs12 -in FILE.p12 -nocerts -nodes -out KEY.pem`,
  },
  {
    head: 'cececece',
    says: 'is a Java keystore (JCEKS)',
    cure: `${TO_PEM}keytool -importkeystore -srckeystore FILE.jceks -srcstoretype JCEKS -destkeystore FILE.p12 -deststoretype PKCS12, then openssl pkcs12 -in FILE.p12 -nocerts -nodes -out KEY.pem`,
  },
  {
    head: '308002010330',
    says: 'is a PKCS#12 file (.p12, .pfx)',
    cure: `${TO_PEM}openssl pkcs12 -in FILE.p12 -nocerts -nodes -out KEY.pem`,
  },
  { head: '1f8b', says: 'is compressed with gzip', cure: 'Store it as it was before: base64 -d < FILE | gunzip' },
  { head: '504b0304', says: 'is a ZIP archive', cure: 'Unpack the archive, and store the key that is in it.' },
  {
    head: '53616c7465645f5f',
    says: 'is encrypted with openssl enc',
    cure: 'Decrypt it as it was encrypted (openssl enc -d), and store the PEM that comes out.',
  },
  {
    head: '6f70656e7373682d6b65792d7631',
    says: "is in OpenSSH's own format",
    cure: 'Convert a copy of the file to PEM, without a passphrase: ssh-keygen -p -N "" -m PEM -f COPY',
  },
];

/** By what the text says near its beginning, in this order. */
const TEXTS: readonly (Form & { readonly text: RegExp; readonly isOutermost?: true })[] = [
  {
    text: /PuTTY-User-Key-File-\d/,
    says: 'is a PuTTY key (.ppk)',
    cure: 'Convert it: puttygen KEY.ppk -O private-openssh -o KEY, then ssh-keygen -p -N "" -m PEM -f KEY',
  },
  {
    text: /^[\s"']*(?:(?:sk-)?(?:ssh|ecdsa)-[\w@.-]{2,50} |AAAA[BCE][23]N[hz])/,
    says: 'is a public key of OpenSSH; the private one is needed',
    cure: 'Convert a copy of the private file to PEM: ssh-keygen -p -N "" -m PEM -f COPY',
  },
  {
    text: /^(?!.*\bd\\{0,9}["']?\s{0,4}:).*\bkty\\{0,9}["']?\s{0,4}:/s,
    says: 'is the public half of a JWK (JSON Web Key); the private one is needed',
    cure: 'Store the private key as PEM: the JWK that has the member d, converted, or the file that it was made from.',
  },
  {
    text: /\bkty\\{0,9}["']?\s{0,4}:/,
    says: 'is a JWK (JSON Web Key), not PEM',
    cure: `Convert it: node -p 'crypto.createPrivateKey({format:"jwk",key:JSON.parse(fs.readFileSync("KEY.json"))}).export({type:"pkcs8",format:"pem"})'`,
  },
  {
    text: /<RSA(?:KeyValue|Parameters)>/i,
    says: 'is an RSA key in XML, as .NET writes it',
    cure: 'Export it as PEM: rsa.ExportPkcs8PrivateKeyPem() in .NET.',
  },
  {
    text: /^[\s"']*(?:ENC\[|vault:v\d|AQICAH|AgV4)|\$ANSIBLE_VAULT;|\bsops["']?\s{0,4}:|^age-encryption\.org|^.?GITCRYPT/,
    says: 'is encrypted by another tool',
    cure: 'Decrypt it first: the secret itself is encrypted by KMS.',
  },
  {
    text: /^[\s"']*(?:arn:aws|alias\/)/,
    says: 'is an ARN or alias, and no key',
    cure: 'Store the key itself; a key that lives in KMS is named by kmsKeyId.',
  },
  {
    text: /^[\s"']*(?:\$\{|\$[A-Z_]{2,60}["'\s]*$|\{\{|#\{|<[^<>\n]{0,80}>["'\s]*$|\*{3}|•|\.{3}|…|[[(<](?:redacted|hidden|sensitive|masked|known after|object)|redacted|change.?me|your[-_ ]|placeholder|xxx|\$\(|`|%\w{1,60}%["'\s]*$|@@|__[A-Z]|@Microsoft\.KeyVault|op:\/\/|!(?:Ref|Sub|GetAtt)|(?:var|local|data|module)\.\w)|^[\s"']*(?:to-?do|tbd|null|none|nil|undefined|n\/a|dummy|secret|test|-)["'\s]*$/i,
    says: 'is a placeholder, and no key',
    cure: 'Fill in the key: what should have put it there did not run, or found nothing.',
  },
  {
    text: /^[\s"']*(?:fileb?:\/\/|s3:\/\/|https?:\/\/|[~@./]|[A-Za-z]:\\|\\\\|[%$]\w{1,60}%?[\\/])[^\n]{0,300}\s*$|^[\s"']*[\w./\\:~ -]{1,300}\.(?:pem|key|p12|pfx|crt|cer|der|jks|ppk|p8|txt|enc)[\s"']*$/i,
    says: 'is the name of a file, and not what is in it',
    cure: 'Store what is in the file. In one line: openssl base64 -A -in KEY.pem',
  },
  {
    text: /^\s*<(?:!doctype|html|\?xml|head|body|script)\b/i,
    says: 'is a page of HTML or XML, and no key',
    cure: 'Store the key itself: what fetched it may have got the page of a log-in.',
  },
  {
    text: /BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE KEY|CERTIFICATE)/i,
    says: 'has lost the dashes of its BEGIN line',
    cure: 'Store it as it was made: the first line begins with five hyphens, -----BEGIN. In one line: openssl base64 -A -in KEY.pem',
  },
  {
    text: /-{2,5} {0,2}END [A-Z0-9 ]{0,40}(?:PRIVATE KEY|CERTIFICATE)/i,
    says: 'has lost its BEGIN line',
    cure: 'Store the whole file: the first line begins with five hyphens, -----BEGIN. In one line: openssl base64 -A -in KEY.pem',
  },
  {
    // Text has neither of these; what is no text was made into some.
    text: /[\0\ufffd]/,
    isOutermost: true,
    says: 'is binary, and was stored as if it were text',
    cure: 'Store it in base64, in one line: openssl base64 -A -in FILE',
  },
];

/** What was given instead of PEM, where it is one of the things that are often taken for it. */
export function foreignForm({ layers }: Reading): Form | undefined {
  // Bytes first: base64 may look like the name of a file.
  const byHead = layers.map(({ bytes }) => bytes && foreignBytes(bytes)).find((form) => form !== undefined);
  const texts = layers.map((layer) => layer.text.slice(0, 4_000));
  return (
    byHead ??
    TEXTS.find(({ text, isOutermost }) =>
      (isOutermost === true ? texts.slice(0, 1) : texts).some((start) => text.test(start)),
    )
  );
}

/** The same of bytes alone. */
export function foreignBytes(bytes: Buffer): Form | undefined {
  const start = bytes.subarray(0, 16).toString('hex');
  return HEADS.find(({ head }) => start.startsWith(head));
}
