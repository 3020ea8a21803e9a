import { randomBytes } from 'node:crypto';
import type { AdapterPayload } from 'oidc-provider';
import type { LocalServiceOptions } from '../wire/traffic.ts';
import type { StoredRecord } from './store.ts';
import { SalesforceStore } from './store.ts';

export interface SalesforceOptions extends LocalServiceOptions {
  /** Life of an access token: the org's session timeout. 7,200 unless given. */
  readonly sessionSeconds?: number;
  /** What `aud` may be besides this server's URL; both of Salesforce's login hosts unless given. */
  readonly audiences?: readonly string[];
  /** The longest life an assertion may have left. None unless given: Salesforce takes any, even an `exp` in milliseconds. */
  readonly maximumAssertionSeconds?: number;
  /** Behave like login.salesforce.com, which knows no client credentials. */
  readonly loginHost?: boolean;
}

export interface SalesforceApp {
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  /** PEM, X.509 or SPKI: whose signatures on assertions count. */
  readonly certificates?: readonly string[] | undefined;
  /** Pre-approved usernames: who may be the `sub` of an assertion, or be chosen at the login page. */
  readonly users?: readonly string[] | undefined;
  readonly rotation?: boolean | undefined;
  readonly clientCredentialsUser?: string | undefined;
  /** Besides any loopback address, which is always allowed. */
  readonly redirectUris?: readonly string[] | undefined;
  /** Off unless given. A secret that is sent must be right in any case. */
  readonly requireSecretForRefresh?: boolean | undefined;
}

/** What an administrator sets up, and what a test wants to know afterwards. */
export class SalesforceOrg {
  readonly options: SalesforceOptions;
  readonly apps = new Map<string, SalesforceApp>();
  readonly inactiveUsers = new Set<string>();
  inactive = false;
  /** Who is logged in in the browser. */
  loggedIn: string | undefined;
  skewSeconds = 0;
  readonly usedJtis = new Set<string>();
  /** Refreshes by the family's grant. */
  readonly exchanges = new Map<string, number>();
  /** Grants of families that a second use of a token has killed. */
  readonly reused = new Set<string>();
  spentTokenUses = 0;
  /** Signs the answers of apps that have no secret. */
  readonly secret = randomBytes(32);
  readonly store: SalesforceStore;

  constructor(options: SalesforceOptions, client: (app: SalesforceApp) => AdapterPayload) {
    this.options = options;
    this.store = new SalesforceStore(this.now, (clientId) => {
      const app = this.apps.get(clientId);
      return app && client(app);
    });
  }

  /** The server's clock, in milliseconds since the epoch. */
  readonly now = (): number => this.options.now().getTime() + this.skewSeconds * 1000;

  isLive(record: StoredRecord): boolean {
    if (this.inactive || this.inactiveUsers.has(record.payload.accountId ?? '')) return false;
    return !record.consumed && this.store.live(record.model, record.id) !== undefined;
  }
}
