import { belonging, checkBinding, profileFor } from '../../functions/core/connection/belonging.ts';
import type { Connection } from '../../functions/core/connection/connection.ts';
import { parseConnection } from '../../functions/core/connection/parse-connection.ts';
import { type ListedTarget, type Target, targetOf, targetsOf } from '../../functions/core/connection/target.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { ListedSecret, Profile, SecretVersion } from '../../functions/core/ports.ts';
import { datesOf, dueSince, isOverdue, nextSlotAfter } from '../../functions/core/schedule.ts';
import { orError, type Session } from './session.ts';

/** What can be seen of one connection without changing or asking anything outside AWS. Of each part either it, or what is wrong with it. */
export interface Surveyed {
  readonly name: string;
  readonly secret: ListedSecret | RefreshError;
  /** Its tags. */
  readonly target: Target | RefreshError | undefined;
  /** The secret's value as it came. */
  readonly value: SecretVersion | RefreshError | undefined;
  readonly connection: Connection | RefreshError | undefined;
  readonly profile: Profile | RefreshError | undefined;
  readonly certificateEnd: Date | undefined;
  readonly timing: Timing | undefined;
}

/** Known where secret and profile are. */
export interface Timing {
  readonly updatedAt: Date;
  readonly dueSince: Date;
  readonly nextAttempt: Date;
  /** Whether it is due for so long that `dispatch` calls it overdue and an alarm stands. */
  readonly isOverdue: boolean;
}

export interface Survey {
  readonly at: Date;
  readonly connections: readonly Surveyed[];
  /** Salesforce profiles that no connection names: nobody refreshes them. */
  readonly unservedProfiles: readonly string[];
}

/**
 * Looks at connections in as few calls as possible.
 *
 * @param names all of them unless given; those given are read without the listing's lag of up to five minutes
 * @throws RefreshError where secrets or profiles cannot be listed
 */
export async function survey(session: Session, names?: readonly string[]): Promise<Survey> {
  const { rules, ports } = session;
  const run = session.run();
  const [listed, salesforceProfiles] = await Promise.all([
    ports.secrets.list(rules.secretPrefix, run),
    ports.appflow.salesforceProfiles(run),
  ]);
  const chosen = names ?? listed.map(({ name }) => name.slice(rules.secretPrefix.length)).sort();
  const values = await orError(() =>
    ports.secrets.values(
      chosen.map((name) => rules.secretPrefix + name),
      run,
    ),
  );
  const secrets = new Map<string, ListedSecret | RefreshError>();
  for (const name of chosen) {
    const secretName = rules.secretPrefix + name;
    const found = names === undefined ? listed.find((secret) => secret.name === secretName) : undefined;
    secrets.set(name, found ?? (await orError(() => ports.secrets.describe(secretName, run))));
  }
  const targets = new Map<string, ListedTarget | RefreshError>();
  for (const [name, secret] of secrets) {
    if (secret instanceof RefreshError) continue;
    targets.set(name, await orError(async () => targetOf(secret, rules)));
  }
  const known = [...targets.values()].flatMap((target) => (target instanceof RefreshError ? [] : [target]));
  const unchosen = targetsOf(listed, rules).targets.filter(({ connection }) => !targets.has(connection));
  const belongs = belonging([...known, ...unchosen]);
  // Those that are no Salesforce profiles, or none at all.
  const others = [...targets.values()].flatMap((target) =>
    target instanceof RefreshError || salesforceProfiles.has(target.connectorProfileName)
      ? []
      : [target.connectorProfileName],
  );
  const otherProfiles = others.length === 0 ? [] : await ports.appflow.profiles([...new Set(others)], run);
  const profiles = new Map([...salesforceProfiles, ...otherProfiles]);

  const at = new Date(run.now());
  const one = async (name: string, secret: ListedSecret | RefreshError): Promise<Surveyed> => {
    const target = targets.get(name);
    const value = values instanceof RefreshError ? values : values.get(rules.secretPrefix + name);
    const connection =
      value === undefined || value instanceof RefreshError
        ? undefined
        : await orError(async () => parseConnection(name, value.value, rules, ports.signer));
    const profile =
      target === undefined || target instanceof RefreshError
        ? undefined
        : await orError(async () => {
            if (connection !== undefined && !(connection instanceof RefreshError))
              checkBinding(connection, target, rules);
            return profileFor(target, belongs, profiles, rules);
          });
    const hasCertificate = connection !== undefined && 'certificate' in connection;
    const certificate = hasCertificate ? connection.certificate : undefined;
    return {
      name,
      secret,
      target,
      value,
      connection,
      profile,
      certificateEnd: certificate === undefined ? undefined : ports.signer.certificateEnd(certificate),
      timing: timingOf(target, profile, at, rules.tickSeconds),
    };
  };
  return {
    at,
    connections: await Promise.all([...secrets].map(([name, secret]) => one(name, secret))),
    unservedProfiles: [...salesforceProfiles.keys()].filter((name) => !belongs.has(name)).sort(),
  };
}

function timingOf(
  target: ListedTarget | RefreshError | undefined,
  profile: Profile | RefreshError | undefined,
  at: Date,
  tickSeconds: number,
): Timing | undefined {
  if (target === undefined || target instanceof RefreshError) return undefined;
  if (profile === undefined || profile instanceof RefreshError) return undefined;
  const dates = datesOf(target, profile);
  const since = dueSince(dates);
  return {
    updatedAt: profile.updatedAt,
    dueSince: since,
    nextAttempt: nextSlotAfter(dates, at, tickSeconds),
    isOverdue: isOverdue((at.getTime() - since.getTime()) / 1000, target.intervalSeconds, tickSeconds),
  };
}
