import { rm, writeFile } from 'node:fs/promises';
import { parseConnection } from '../../functions/core/connection/parse-connection.ts';
import type { GrantType } from '../../functions/core/credentials.ts';
import type { Profile } from '../../functions/core/ports.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { type LoginArguments, logInFor, PLACEHOLDER } from './authorize.ts';
import { note } from './output.ts';
import { type Questions, secretLines } from './questions.ts';
import { numbered, salesforceSteps } from './salesforce-steps.ts';
import { inputError, type Session } from './session.ts';
import type { TokenInHand } from './token-in-hand.ts';

/** What the flags said. Secrets are not among them. */
export interface AddArguments {
  readonly grant?: GrantType | undefined;
  readonly profile?: string | undefined;
  readonly interval?: number | undefined;
  readonly loginUrl?: string | undefined;
  readonly handOver?: string | undefined;
  readonly clientId?: string | undefined;
  readonly username?: string | undefined;
  readonly audience?: string | undefined;
  readonly lifetime?: number | undefined;
  readonly clientCredentialsArn?: string | undefined;
  readonly encryptionKey?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly bits: number;
  readonly days: number;
  readonly clientSecretStdin: boolean;
  readonly refreshTokenStdin: boolean;
  /** False: the secret waits for `authorize`. */
  readonly authorize: boolean;
}

/** Where a new connection will live, found free. */
export interface Place {
  readonly name: string;
  readonly secretName: string;
  readonly connectorProfileName: string;
  /** Absent where AppFlow has no such profile yet. */
  readonly profile: Profile | undefined;
}

/** A secret's keys, and what else is to be told about them. */
export interface Draft {
  readonly value: Readonly<Record<string, unknown>>;
  readonly user?: string | undefined;
  readonly certificateFile?: string;
  readonly certificateEnd?: Date;
  readonly lacksSeed?: boolean;
  /** Whether the person was shown what to do in Salesforce already. */
  readonly stepsShown?: boolean;
  /** Of a log-in: what the secret will keep. */
  readonly token?: TokenInHand;
  /** Takes back what was written beside the secret. */
  readonly undo?: () => Promise<void>;
}

/** The keys that every grant has. */
interface Base {
  readonly connectorProfileName: string;
  readonly grantType: GrantType;
  readonly loginUrl?: string;
  readonly handOver?: string;
}

/** Asks for what a grant needs and the flags leave open, and judges it. Writes the certificate, and no secret. */
export function draftOf(
  session: Session,
  place: Place,
  base: Base,
  flags: AddArguments,
  login: LoginArguments,
  questions: Questions,
): Promise<Draft> {
  switch (base.grantType) {
    case 'JWT_BEARER':
      return jwtBearer(session, place, base, flags, login, questions);
    case 'AUTHORIZATION_CODE':
      return authorizationCode(session, place, base, flags, login, questions);
    case 'CLIENT_CREDENTIALS':
      return clientCredentials(base, flags, questions);
  }
}

/**
 * The consumer key is known before the certificate is uploaded: an app gets one when it is made, and takes a certificate at any time. So it is a
 * flag, and all is stored in one go. Whoever has no app yet leaves it out on a terminal: the certificate is made first, and the question
 * for the key waits until the app is.
 */
async function jwtBearer(
  session: Session,
  { name }: Place,
  base: Base,
  flags: AddArguments,
  login: LoginArguments,
  questions: Questions,
): Promise<Draft> {
  const username = await questions.text('--username', flags.username, 'Username of the integration user');
  if (!questions.canAsk) await questions.text('--client-id', flags.clientId, '');
  questions.allAnswered();
  const certificateFile = flags.certificateFile ?? `${name.replaceAll('/', '-')}.crt`;
  const { makeKeyAndCertificate } = await import('./certificate.ts');
  const { privateKey, certificate, endsAt } = await makeKeyAndCertificate(name, flags.bits, flags.days);
  const value = (clientId: string) => ({
    ...base,
    clientId,
    username,
    ...(flags.audience === undefined ? {} : { audience: flags.audience }),
    ...(flags.lifetime === undefined ? {} : { lifetimeSeconds: flags.lifetime }),
    privateKey: privateKey.reveal(),
    certificate,
  });
  // All but the consumer key is judged before anything is written.
  parseConnection(
    name,
    new Redacted(JSON.stringify(value(flags.clientId ?? PLACEHOLDER.reveal()))),
    session.rules,
    session.ports.signer,
  );
  await writeNew(certificateFile, certificate);
  const undo = () => rm(certificateFile, { force: true });
  try {
    if (flags.clientId === undefined) {
      const steps = salesforceSteps('JWT_BEARER', { certificateFile, user: username, redirectUri: login.redirectUri });
      note`\nThe certificate is in ${certificateFile}. If there is no app in Salesforce yet, make it now:`;
      note`${numbered(steps)}`;
    }
    const clientId = await questions.text(
      '--client-id',
      flags.clientId,
      'Consumer key of the app (the private key waits here, in memory; Ctrl-C gives up)',
    );
    return {
      value: value(clientId),
      user: username,
      certificateFile,
      certificateEnd: endsAt,
      stepsShown: flags.clientId === undefined,
      undo,
    };
  } catch (error) {
    // The key is gone, so the certificate is worth nothing.
    await undo();
    throw error;
  }
}

async function writeNew(file: string, certificate: string): Promise<void> {
  try {
    await writeFile(file, certificate, { flag: 'wx' });
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw inputError(
      isThere ? `The file ${file} exists already, and is not overwritten.` : `The file ${file} cannot be written.`,
      'Name another with --certificate-file.',
    );
  }
}

/** Where no refresh token is at hand, somebody logs in before the secret is made, so that it never lies there without a seed. */
async function authorizationCode(
  session: Session,
  { name }: Place,
  base: Base,
  flags: AddArguments,
  login: LoginArguments,
  questions: Questions,
): Promise<Draft> {
  const clientId = await questions.text('--client-id', flags.clientId, 'Consumer key of the app');
  questions.allAnswered();
  const fromStdin = flags.clientSecretStdin || flags.refreshTokenStdin ? await secretLines() : [];
  const expected = Number(flags.clientSecretStdin) + Number(flags.refreshTokenStdin);
  if (fromStdin.length !== expected)
    throw inputError(
      `${expected} line${expected === 1 ? ' was' : 's were'} expected on stdin, and ${fromStdin.length} came.`,
      'Send the client secret on the first line, the refresh token on the next; only what was announced.',
    );
  const clientSecret = flags.clientSecretStdin
    ? fromStdin.shift()
    : flags.clientCredentialsArn === undefined
      ? await questions.secret('Consumer secret (leave empty if the app has none)')
      : undefined;
  const given = flags.refreshTokenStdin ? fromStdin.shift() : undefined;
  const value = (refreshToken: Redacted | undefined) => ({
    ...base,
    clientId,
    ...(clientSecret === undefined ? {} : { clientSecret: clientSecret.reveal() }),
    ...(flags.clientCredentialsArn === undefined ? {} : { clientCredentialsArn: flags.clientCredentialsArn }),
    ...(refreshToken === undefined ? {} : { refreshToken: refreshToken.reveal() }),
  });
  const boxed = new Redacted(JSON.stringify(value(given ?? PLACEHOLDER)));
  const connection = parseConnection(name, boxed, session.rules, session.ports.signer);
  if (given !== undefined || connection.grantType !== 'AUTHORIZATION_CODE') return { value: value(given) };
  if (!flags.authorize) return { value: value(undefined), lacksSeed: true };
  const { refreshToken, user, token } = await logInFor(session, connection, login);
  return { value: value(refreshToken), user, token };
}

async function clientCredentials(base: Base, flags: AddArguments, questions: Questions): Promise<Draft> {
  const clientCredentialsArn = await questions.text(
    '--client-credentials-arn',
    flags.clientCredentialsArn,
    'ARN of the secret {"clientId", "clientSecret"} that AppFlow reads too',
  );
  questions.allAnswered();
  return { value: { ...base, clientCredentialsArn } };
}
