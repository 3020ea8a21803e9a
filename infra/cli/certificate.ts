// tsyringe, under the library, wants it loaded first.
import 'reflect-metadata';
import { generateKeyPair, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { X509CertificateGenerator } from '@peculiar/x509';
import { Redacted } from '../../functions/core/redacted.ts';

export interface KeyAndCertificate {
  /** PKCS#8, PEM. */
  readonly privateKey: Redacted;
  /** X.509, PEM: what is uploaded to Salesforce. */
  readonly certificate: string;
  readonly endsAt: Date;
}

const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;

/**
 * A new RSA key and a certificate for it that signs itself: Salesforce looks at nothing but the public key and the dates.
 *
 * @param name goes into the subject, so that people recognise the certificate in Salesforce
 */
export async function makeKeyAndCertificate(name: string, bits: number, days: number): Promise<KeyAndCertificate> {
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: bits });
  const usable = async (pem: string | Buffer, format: 'pkcs8' | 'spki', usage: 'sign' | 'verify') =>
    webcrypto.subtle.importKey(format, Buffer.from(pem), ALGORITHM, true, [usage]);
  const keys = {
    privateKey: await usable(pair.privateKey.export({ type: 'pkcs8', format: 'der' }), 'pkcs8', 'sign'),
    publicKey: await usable(pair.publicKey.export({ type: 'spki', format: 'der' }), 'spki', 'verify'),
  };
  // Some clocks are a little slow, and X.509 knows whole seconds.
  const notBefore = new Date(Math.floor(Date.now() / 60_000) * 60_000);
  const endsAt = new Date(notBefore.getTime() + days * 86_400_000);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // An array rather than text: a comma or an equals sign in a name is no syntax here. X.520 gives a common name 64 characters.
    name: [{ CN: [name.slice(0, 64)] }, { OU: ['appflow-token-refresher'] }],
    notBefore,
    notAfter: endsAt,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return {
    privateKey: new Redacted(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    certificate: `${certificate.toString('pem').trim()}\n`,
    endsAt,
  };
}
