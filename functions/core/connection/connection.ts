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
  /** PEM; its end is watched. */
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

/** What can be said of a key or certificate by looking at it. */
export interface KeyChecks {
  /** What is wrong with a PEM private key, as the end of a sentence; `undefined` where it is an RSA key of at least 2048 bits. */
  privateKeyProblem(pem: Redacted): string | undefined;
  /** What is wrong with a PEM certificate whose key should be that of one of the private keys, as the end of a sentence. */
  certificateProblem(pem: string, privateKeys: readonly Redacted[]): string | undefined;
}
