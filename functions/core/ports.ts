import type { KeyChecks, SigningKey } from './connection/connection.ts';
import type { Credentials } from './credentials.ts';
import type { RefreshError } from './errors.ts';
import type { FlowEnd } from './flow-error.ts';
import type { Redacted } from './redacted.ts';
import type { Run } from './run.ts';

/** The neighbours as the rules see them. Each adapter says in its own words what it does with errors: all throw RefreshError. */

/** A connector profile as AppFlow describes it; it keeps what must be sent back unchanged to itself. */
export interface Profile {
  readonly connectorProfileName: string;
  readonly isSalesforce: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly connectionMode: string | undefined;
  readonly instanceUrl: string | undefined;
  /**
   * `UpdateConnectorProfile` with new credentials, mode and properties exactly as described.
   *
   * @throws RefreshError `PROFILE_REJECTED`, `PROFILE_NOT_FOUND`, `APPFLOW_UNAVAILABLE`, `ACCESS_DENIED`, `OUT_OF_TIME`; a
   * CredentialsRefused where AppFlow tried the credentials in vain
   */
  handOver(credentials: Credentials, run: Run): Promise<void>;
}

export interface AppFlow {
  /** `DescribeConnectorProfiles` for any number of names; a name without a profile is missing from the answer. */
  profiles(names: readonly string[], run: Run): Promise<ReadonlyMap<string, Profile>>;
  /** Every Salesforce profile of this account and Region. */
  salesforceProfiles(run: Run): Promise<ReadonlyMap<string, Profile>>;
  /** `oauth2GrantTypesSupported` of `DescribeConnectors`; `undefined` where AppFlow gives no list. */
  supportedGrants(run: Run): Promise<ReadonlySet<string> | undefined>;
}

/** A flow, as far as healing needs it. */
export interface Flow {
  /** The Salesforce profiles at either end of it. */
  readonly connectorProfileNames: readonly string[];
  /** The same, by where they stand. */
  readonly profilesAt: Readonly<Record<FlowEnd, readonly string[]>>;
  /** Whether another end than Salesforce has a profile, and so logs in as well. */
  readonly hasOtherLogIn: boolean;
  readonly triggerType: 'Scheduled' | 'Event' | 'OnDemand' | undefined;
  /** Of a scheduled flow, such as `rate(1hours)`. */
  readonly schedule?: string | undefined;
  readonly isActive: boolean;
  readonly lastRunAt: Date | undefined;
  /** What AppFlow says of its state and of its last run, where these are not good; empty of a run that failed without a word. */
  readonly errorTexts: readonly string[];
}

export interface Flows {
  /** `DescribeFlow`; `undefined` where the flow is gone. */
  flow(flowName: string, run: Run): Promise<Flow | undefined>;
  /** `StartFlow`: runs an on-demand flow, activates any other. The same client token within 8 hours starts it once. */
  start(flowName: string, clientToken: string, run: Run): Promise<void>;
  /**
   * Which flows read or write through each of the profiles, at most `MOST_FLOWS_TOLD` of each, in the order of their names; a profile without any is missing.
   * `ListFlows` tells no profiles, so each flow with a Salesforce end is described: asked once a run, and only where something failed or a person asks.
   */
  flowsOf(connectorProfileNames: readonly string[], run: Run): Promise<ReadonlyMap<string, readonly FlowUse[]>>;
  /** All of the same, each with what AppFlow says of it. */
  inUse(connectorProfileNames: readonly string[], run: Run): Promise<ReadonlyMap<string, readonly FlowInUse[]>>;
}

export interface FlowInUse extends FlowUse {
  readonly flow: Flow;
}

/** Flows that are told of one profile at most. */
export const MOST_FLOWS_TOLD = 20;

/** A flow on a connector profile, for people. */
export interface FlowUse {
  readonly flowName: string;
  /** What starts it: `OnDemand`, `Event`, or `Scheduled rate(1hours)`. */
  readonly trigger: string;
}

/** One version of a secret. */
export interface SecretVersion {
  readonly versionId: string;
  readonly value: Redacted;
}

/** One version of a token secret, with its age by the one clock that all runs share. */
export interface StoredVersion extends SecretVersion {
  /** When it was put, by Secrets Manager's clock. */
  readonly createdAt: Date;
  /** When it was read, by the same clock: the `Date` of the answer, in whole seconds. */
  readonly readAt: Date;
}

/** A secret as a listing shows it: no value. */
export interface ListedSecret {
  readonly name: string;
  readonly createdAt: Date;
  readonly changedAt: Date;
  readonly tags: ReadonlyMap<string, string>;
}

/** Any secret, read only. */
export interface Secrets {
  /** The current versions of many secrets in few calls; for each one the value or what is wrong. */
  values(names: readonly string[], run: Run): Promise<ReadonlyMap<string, SecretVersion | RefreshError>>;
  /** The current version of the secret with that name or ARN. */
  value(id: string, run: Run): Promise<SecretVersion>;
  /** All secrets under a prefix. Secrets Manager's listing lags by up to five minutes. */
  list(prefix: string, run: Run): Promise<ListedSecret[]>;
  /** One secret's dates and tags, without lag. */
  describe(name: string, run: Run): Promise<ListedSecret>;
  /**
   * The tags of a client secret. An answer is kept as long as the container lives and used again where it will do, so that a right tag is looked up once.
   *
   * @throws RefreshError `SECRET_NOT_FOUND`, `ACCESS_DENIED`, `SECRETS_UNAVAILABLE`
   */
  tags(arn: string, willDo: (tagged: Tagged) => boolean, run: Run): Promise<Tagged>;
}

/** What says by its tags whom it serves: a KMS key or a client secret. */
export interface Tagged {
  /** Its full ARN, whatever it was named by. */
  readonly arn: string;
  readonly tags: ReadonlyMap<string, string>;
}

export interface Signer extends KeyChecks {
  /**
   * A JWT in compact form, RS256 (RFC 7515 section 7.1).
   *
   * @param claims the claims set as JSON text, kept byte for byte
   */
  sign(key: SigningKey, claims: string, run: Run): Promise<Redacted>;
  /**
   * The tags of a KMS key, by its id, ARN or alias. An answer is kept as `Secrets.tags` keeps its own.
   *
   * @throws RefreshError `KEY_UNUSABLE`, `ACCESS_DENIED` (also where the key has no such tag at all: the role admits no other), `KMS_UNAVAILABLE`
   */
  keyTags(asked: KeyTagsRequest, run: Run): Promise<Tagged>;
  /** `notAfter` of a certificate that has been checked. */
  certificateEnd(pem: string): Date;
}

export interface KeyTagsRequest {
  readonly kmsKeyId: string;
  readonly willDo: (tagged: Tagged) => boolean;
  /** What it means that the key may not be looked at. */
  readonly denied: (cause: Error) => RefreshError;
}

/** An access token that was issued (RFC 6749 section 5.1). */
export interface AccessToken {
  readonly accessToken: Redacted;
  /** When it ends, where the reply says. It may say something else itself: see `endOf`. */
  readonly expiresAt?: Date;
}

/** What can be used of an answer to a code or a refresh token, which are spent for it: one of the tokens at least. */
export interface Tokens extends Omit<AccessToken, 'accessToken'> {
  readonly accessToken: Redacted | undefined;
  /** Only where Salesforce issued one: for a code, and under refresh token rotation. */
  readonly refreshToken: Redacted | undefined;
}

export interface ClientAuth {
  readonly clientId: string;
  readonly clientSecret: Redacted | undefined;
}

/** The token endpoint of one connection. Errors name the connection and its secret. */
export interface TokenEndpoint {
  /** RFC 7523 section 2.1. `sign` is called again, once, with Salesforce's own clock if the assertion was out of date on arrival. */
  exchangeAssertion(sign: (now: number) => Promise<Redacted>, run: Run): Promise<AccessToken>;
  /** RFC 6749 section 6. Sent once: a lost answer is not asked for again, since the token may be spent. */
  exchangeRefreshToken(client: ClientAuth, refreshToken: Redacted, run: Run): Promise<Tokens>;
  /** RFC 6749 section 4.1.3. Sent once. */
  exchangeCode(client: ClientAuth, code: Redacted, redirectUri: string, run: Run): Promise<Tokens>;
  /** RFC 6749 section 4.4. */
  exchangeClientCredentials(client: ClientAuth, run: Run): Promise<AccessToken>;
  /** RFC 7662: when the access token ends; null where Salesforce does not say. */
  expiryOf(client: ClientAuth, accessToken: Redacted, run: Run): Promise<Date | null>;
  /**
   * RFC 7662 section 2: whether a refresh token is active. Nothing is spent. `undefined` where Salesforce does not say.
   *
   * @throws RefreshError `SALESFORCE_REFUSED` where the client itself is refused, `SALESFORCE_UNAVAILABLE`, `OUT_OF_TIME`
   */
  isActive(client: ClientAuth, refreshToken: Redacted, run: Run): Promise<boolean | undefined>;
  /** Asks `userinfo` with the access token. @throws RefreshError `SALESFORCE_REFUSED` where it is dead */
  tryAccessToken(accessToken: Redacted, run: Run): Promise<void>;
}

export interface Salesforce {
  /** @param secretName for hints */
  tokenEndpoint(connection: { readonly name: string; readonly loginUrl: string }, secretName: string): TokenEndpoint;
}

/** Versions and labels of secrets by their full names. Token secrets alone are ever written. */
export interface TokenStore {
  /** `AWSCURRENT`; `undefined` where the secret does not exist yet. */
  current(name: string, run: Run): Promise<StoredVersion | undefined>;
  /** One version; `undefined` where there is none (also while Secrets Manager only announced it for a rotation). */
  version(name: string, versionId: string, run: Run): Promise<StoredVersion | undefined>;
  /** Which version carries which staging label; none where the secret does not exist yet. */
  stages(name: string, run: Run): Promise<ReadonlyMap<string, string>>;
  /** How many versions were put in the last 24 hours, those without a label included: younger ones are never pruned. */
  youngVersions(name: string, run: Run): Promise<number>;
  /** Makes the secret with its first version. `exists`: somebody else has made it, perhaps without a value. */
  create(name: string, versionId: string, value: Redacted, run: Run): Promise<'put' | 'exists'>;
  /** Puts a version under an id that follows from what it replaces: a compare-and-swap. `exists`: another value holds that id. */
  put(version: NewVersion, run: Run): Promise<'put' | 'exists'>;
  moveStage(move: StageMove, run: Run): Promise<void>;
}

/** A version to be put. */
export interface NewVersion {
  /** The secret's full name. */
  readonly name: string;
  readonly versionId: string;
  readonly value: Redacted;
  /** Labels to move to it. Without them AWSCURRENT moves, and AWSPREVIOUS behind it, in one step. */
  readonly stages?: readonly string[];
  /** How often it is tried; as any other call unless given. */
  readonly attempts?: number;
}

/** A label on its way to another version. */
export interface StageMove {
  readonly name: string;
  readonly stage: string;
  /** The version that carries it now, if one does. */
  readonly from: string | undefined;
  /** `undefined` takes the label away. */
  readonly to: string | undefined;
}

/**
 * Where a new refresh token is kept when its secret does not take it: one value a connection. A change is tried once: one that got no answer may
 * arrive late, and must be known to its caller.
 */
export interface Escrow {
  /** The connections with a token in escrow, by name alone. */
  list(run: Run): Promise<string[]>;
  /** @returns where it lies, for people */
  keep(connection: string, value: Redacted, run: Run): Promise<string>;
  find(connection: string, run: Run): Promise<Redacted | undefined>;
  remove(connection: string, run: Run): Promise<void>;
}

/** A message of the queue, as `refresh` reads it. */
export interface Message {
  readonly connection: string;
  readonly connectorProfileName: string;
  readonly intervalSeconds: number;
  /** ISO 8601: the tick that sent it. */
  readonly scheduledTime: string;
}

/** A message with what the FIFO queue needs to know of it. Both ids are hashes: at most 128 characters whatever the name. */
export interface Envelope {
  /** The connection: its messages keep their order and never run beside each other. */
  readonly group: string;
  /** Connection and slot: a tick that comes twice sends once. */
  readonly deduplication: string;
  readonly message: Message;
}

export interface Queue {
  /** @returns how many were taken. @throws RefreshError where none was */
  send(envelopes: readonly Envelope[], run: Run): Promise<number>;
}

/** The kinds of events of ours (EventBridge's `detail-type`). */
export type NoticeKind = 'Connection Failed' | 'Connection Recovered' | 'Profile Overwritten';

/** An event of ours on EventBridge's default bus. `detail` holds no secret; what does not apply is absent. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly detail: {
    readonly connection: string;
    readonly connectorProfileName: string;
    readonly grantType?: string;
    /** ISO 8601: since when the connection is due; of an update or a deletion, when it was made. */
    readonly since: string;
    readonly code?: string;
    readonly message?: string;
    readonly hint?: string;
    /** Flows that read or write through the profile, at most 20. */
    readonly flows?: readonly FlowUse[];
    /** Who updated or deleted the profile, as CloudTrail names it. */
    readonly principal?: string;
    /** All of it in one line, for a person. */
    readonly summary: string;
  };
}

export interface Notices {
  /** `PutEvents`; at least once. @throws RefreshError where an event could not be put */
  put(notices: readonly Notice[], run: Run): Promise<void>;
}

/** All neighbours. One that few runs need loads its client when it is first asked. */
export interface Ports {
  readonly appflow: AppFlow;
  readonly flows: Flows;
  readonly secrets: Secrets;
  readonly salesforce: Salesforce;
  readonly signer: Signer;
  readonly store: TokenStore;
  readonly escrow: Escrow;
  readonly queue: Queue;
  readonly notices: Notices;
}
