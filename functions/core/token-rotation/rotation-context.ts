import type { AuthorizationCodeConnection } from '../connection/connection.ts';
import type { ClientAuth, Escrow, TokenEndpoint, TokenStore } from '../ports.ts';
import { REQUEST_TIMEOUT_MS, type Run } from '../run.ts';

/** What the protocol needs for one connection. */
export interface RotationContext {
  readonly connection: AuthorizationCodeConnection;
  readonly ports: { readonly store: TokenStore; readonly escrow: Escrow };
  readonly endpoint: TokenEndpoint;
  /** Read only when an exchange is due. */
  readonly client: () => Promise<ClientAuth & { readonly isManaged?: true }>;
  /** Full name of the token secret. */
  readonly tokenSecret: string;
  /** Full name of the operator's secret. */
  readonly operatorSecret: string;
  readonly run: Run;
}

/** A put that has not answered by then gets escrow beside it. */
export const SLOW_PUT_MS = 3_000;
/**
 * What must be left at the moment at which a token is sent: the longest exchange, then a put that does not answer, and the longest escrow beside
 * it. A second is for what happens in between.
 */
export const EXCHANGE_RESERVE_MS = REQUEST_TIMEOUT_MS + SLOW_PUT_MS + REQUEST_TIMEOUT_MS + 1_000;
/** What is kept back of the deadline so that AppFlow can still be handed the access token. */
export const HAND_OVER_RESERVE_MS = 10_000;
/** A request that got no answer is taken to be able to arrive for this long after its run has ended. */
export const LATENESS_MS = 60_000;
