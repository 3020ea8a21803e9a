import type { GrantType } from '../credentials.ts';
import type { Redacted } from '../redacted.ts';

/** What AppFlow is given. */
export type HandOver = 'JWT' | 'ACCESS_TOKEN' | 'ACCESS_AND_REFRESH_TOKEN' | 'CLIENT_CREDENTIALS_ARN';

/** Where the private half of an RSA key lives: in the secret, as PEM, or in KMS, which never lets it out. */
export type SigningKey = { readonly pem: Redacted } | { readonly kmsKeyId: string };

/** What a refresh token is first got from: the token itself, or an authorization code that is exchanged once. */
export type Seed = { readonly refreshToken: Redacted } | { readonly authCode: Redacted; readonly redirectUri: string };

export interface ConnectionBase {
  readonly name: string;
  /** The AppFlow profile that is given the credential: the value of the secret alone decides. */
  readonly connectorProfileName: string;
  /** Origin of the token endpoint, without a trailing slash; matches LOGIN_HOSTS. */
  readonly loginUrl: string;
}

export interface JwtBearerConnection extends ConnectionBase {
  readonly grantType: 'JWT_BEARER';
  readonly handOver: 'JWT' | 'ACCESS_TOKEN';
  readonly clientId: string;
  readonly username: string;
  readonly audience: string;
  readonly key: SigningKey;
  /** Used instead of `key` as soon as Salesforce accepts it. */
  readonly nextKey: SigningKey | undefined;
  /** PEM of one certificate; its end is watched. */
  readonly certificate: string | undefined;
  readonly lifetimeSeconds: number | undefined;
}

export interface AuthorizationCodeConnection extends ConnectionBase {
  readonly grantType: 'AUTHORIZATION_CODE';
  readonly handOver: 'ACCESS_TOKEN' | 'ACCESS_AND_REFRESH_TOKEN';
  readonly clientId: string;
  readonly clientSecret: Redacted | undefined;
  readonly seed: Seed;
  readonly clientCredentialsArn: string | undefined;
}

export interface ClientCredentialsConnection extends ConnectionBase {
  readonly grantType: 'CLIENT_CREDENTIALS';
  readonly handOver: 'ACCESS_TOKEN' | 'CLIENT_CREDENTIALS_ARN';
  readonly clientCredentialsArn: string;
}

export type Connection = JwtBearerConnection | AuthorizationCodeConnection | ClientCredentialsConnection;

/** What AppFlow can be given for each grant; the first is the default. */
export const HAND_OVERS = {
  JWT_BEARER: ['JWT', 'ACCESS_TOKEN'],
  AUTHORIZATION_CODE: ['ACCESS_AND_REFRESH_TOKEN', 'ACCESS_TOKEN'],
  CLIENT_CREDENTIALS: ['CLIENT_CREDENTIALS_ARN', 'ACCESS_TOKEN'],
} as const satisfies Record<GrantType, readonly HandOver[]>;

/** What the parsing of a connection's secret must know besides the secret. */
export interface ConnectionRules {
  readonly secretPrefix: string;
  readonly loginHosts: readonly string[];
  readonly clientSecretPrefix: string;
}

/** What is wrong with a key or certificate. */
export interface KeyProblem {
  /** The end of a sentence that begins with the name of the key in the secret. */
  readonly says: string;
  /** What to do about it, with the command. */
  readonly cure: string;
}

/** What can be said of a key or certificate by looking at it. */
export interface KeyChecks {
  /** What is wrong with a private key; `undefined` where it is an RSA key of 2048 to 8192 bits. */
  privateKeyProblem(text: Redacted): KeyProblem | undefined;
  /**
   * The one certificate that is meant, alone and in PEM, however many there are.
   *
   * @param privateKeys usable ones, the current one first: the certificate should be of one of them
   */
  certificateIn(text: Redacted, privateKeys: readonly Redacted[]): { readonly pem: string } | KeyProblem;
}
