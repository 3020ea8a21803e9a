import type { Context } from '../../functions/core/context.ts';
import type { Credentials } from '../../functions/core/credentials.ts';
import type { Serving } from '../../functions/core/grants/grant.ts';
import type { Profile } from '../../functions/core/ports.ts';

/** A Salesforce profile that notes what it is given. */
export interface NotingProfile extends Profile {
  readonly given: Credentials[];
}

export function notingProfile(some: Partial<Profile> = {}): NotingProfile {
  const given: Credentials[] = [];
  return {
    connectorProfileName: 'sf-eu',
    isSalesforce: true,
    createdAt: new Date(0),
    updatedAt: new Date(0),
    connectionMode: 'Public',
    instanceUrl: 'https://acme.my.salesforce.com',
    async handOver(credentials) {
      given.push(credentials);
    },
    ...some,
    given,
  };
}

/** The connection `sf-eu`, being served because a person asked. */
export function servingIn(context: Context, some: Partial<Serving> = {}): Serving {
  return {
    ...context,
    target: { connection: 'sf-eu', connectorProfileName: 'sf-eu', intervalSeconds: 3_600 },
    profile: notingProfile(),
    dryRun: false,
    tokenSecret: undefined,
    supportedGrants: () => Promise.reject(new Error('Nobody should ask.')),
    ...some,
  };
}
