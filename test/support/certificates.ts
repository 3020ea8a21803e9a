// tsyringe, under the library, wants it loaded first.
import 'reflect-metadata';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';

const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
const imported = (der: Buffer, format: 'pkcs8' | 'spki', usage: 'sign' | 'verify') =>
  webcrypto.subtle.importKey(format, der, ALGORITHM, true, [usage]);

export interface Certified {
  /** PKCS#8 and PKCS#1, PEM. */
  readonly pkcs8: string;
  readonly pkcs1: string;
  readonly publicPem: string;
  /** PEM. */
  readonly certificate: string;
  readonly endsAt: Date;
}

/** A key pair with a certificate; without an issuer it signs itself. */
export async function certified(name: string, endsAt: Date, issuer?: Certified & { name: string }): Promise<Certified> {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const publicKey = await imported(pair.publicKey.export({ type: 'spki', format: 'der' }), 'spki', 'verify');
  const pkcs8 = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const common = {
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: endsAt,
    signingAlgorithm: ALGORITHM,
    publicKey,
    subject: `CN=${name}`,
    issuer: `CN=${issuer?.name ?? name}`,
    signingKey: await imported(derOf(issuer?.pkcs8 ?? pkcs8), 'pkcs8', 'sign'),
  };
  const certificate = await X509CertificateGenerator.create(common);
  return {
    pkcs8,
    pkcs1: pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    publicPem: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    certificate: `${certificate.toString('pem').trim()}\n`,
    endsAt,
  };
}

/** What stands between the lines of a PEM with one block. */
export function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[A-Z0-9 ]+-----|\s/g, ''), 'base64');
}
