import { isListedHost } from '../../functions/core/connection/listed-hosts.ts';
import { parseConnection } from '../../functions/core/connection/parse-connection.ts';
import {
  isConnectionName,
  isProfileName,
  listedTargets,
  longestInterval,
} from '../../functions/core/connection/target.ts';
import type { GrantType } from '../../functions/core/credentials.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { COMMAND } from '../../functions/core/hint.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { enumerated } from '../../functions/core/wording.ts';
import type { LoginArguments } from './authorize.ts';
import { type AddArguments, type Draft, draftOf, type Place } from './draft.ts';
import { alreadyThere, operatorSecrets } from './operator-secrets.ts';
import { EXIT, type ExitCode, lines, paint, say, sayJson, text } from './output.ts';
import { Questions } from './questions.ts';
import { numbered, salesforceSteps } from './salesforce-steps.ts';
import { inputError, orError, type Session } from './session.ts';

/** `add`: makes a connection's secret. Refuses to overwrite anything, and stores nothing that the functions' own parser refuses. */
export async function addCommand(
  session: Session,
  name: string,
  flags: AddArguments,
  login: LoginArguments,
): Promise<ExitCode> {
  const questions = new Questions(session);
  const place = await freePlace(session, name, flags, questions);
  const grantType = await questions.choice('--grant', flags.grant, 'How does it log in to Salesforce?', [
    { value: 'JWT_BEARER', hint: 'a key and a certificate; no password, no browser' },
    { value: 'AUTHORIZATION_CODE', hint: 'a person logs in once, in a browser' },
    { value: 'CLIENT_CREDENTIALS', hint: 'consumer key and secret' },
  ]);
  const loginUrl = await loginUrlFor(session, flags, place, questions);
  if (grantType === undefined) throw questions.unanswered();
  const base = {
    connectorProfileName: place.connectorProfileName,
    grantType,
    ...(loginUrl === undefined ? {} : { loginUrl }),
    ...(flags.handOver === undefined ? {} : { handOver: flags.handOver }),
  };
  const draft = await draftOf(session, place, base, flags, login, questions);
  const store = async () => {
    const value = new Redacted(JSON.stringify(draft.value, null, 2));
    if (draft.lacksSeed !== true) parseConnection(name, value, session.rules, session.ports.signer);
    const tags = {
      'connector-profile-name': place.connectorProfileName,
      ...(flags.interval === undefined ? {} : { 'refresh-interval-seconds': String(flags.interval) }),
    };
    const { encryptionKey } = flags;
    const secret = { name: place.secretName, value, tags, encryptionKey };
    await operatorSecrets(session.ports.secrets).create(secret, session.run());
  };
  try {
    await (draft.token === undefined ? store() : draft.token.storeBy(store));
  } catch (error) {
    await draft.undo?.();
    throw error;
  }
  tell(session, place, grantType, draft, login);
  return EXIT.well;
}

/** @throws RefreshError `INPUT_INVALID` where the name, the profile or the interval will not do, or is taken */
async function freePlace(session: Session, name: string, flags: AddArguments, questions: Questions): Promise<Place> {
  const { rules, ports } = session;
  if (!isConnectionName(name))
    throw inputError('No connection can have such a name.', 'Use at most 400 of A-Z a-z 0-9 / _ + = . @ -');
  if ((flags.interval ?? 0) > longestInterval(rules))
    throw inputError(
      `--interval is more than ${longestInterval(rules)} seconds.`,
      'A longer one is the interval of the deployment: REFRESH_INTERVAL_SECONDS.',
    );
  const secretName = rules.secretPrefix + name;
  const run = session.run();
  const existing = await orError(() => ports.secrets.describe(secretName, run));
  if (!(existing instanceof RefreshError)) throw alreadyThere(secretName);
  if (existing.code !== 'SECRET_NOT_FOUND') throw existing;
  const problem = (profile: string) =>
    isProfileName(profile) ? undefined : 'No profile can be called so, or a tag cannot spell it (! and #).';
  const connectorProfileName = questions.canAsk
    ? await questions.text('--profile', flags.profile, 'AppFlow connector profile', { initial: name, problem })
    : (flags.profile ?? name);
  const wrong = problem(connectorProfileName);
  if (wrong !== undefined) throw inputError(`The profile: ${wrong}`, 'Give the name that AppFlow shows as --profile.');
  const targets = await listedTargets(session.context());
  const rivals = targets.filter((target) => target.connectorProfileName === connectorProfileName);
  if (rivals.length > 0) {
    throw inputError(
      `The connector profile ${connectorProfileName} belongs to ${enumerated(rivals.map(({ connection }) => connection))} already.`,
      'A second secret for it would not be served: give another --profile.',
    );
  }
  const profile = (await ports.appflow.profiles([connectorProfileName], run)).get(connectorProfileName);
  if (profile?.isSalesforce === false)
    throw inputError(
      `The connector profile ${connectorProfileName} is not a Salesforce one.`,
      'Give another --profile.',
    );
  return { name, secretName, connectorProfileName, profile };
}

async function loginUrlFor(
  { rules }: Session,
  { loginUrl }: AddArguments,
  { profile }: Place,
  questions: Questions,
): Promise<string | undefined> {
  if (loginUrl !== undefined || !questions.canAsk) return loginUrl;
  const instance = URL.parse(profile?.instanceUrl ?? '')?.origin;
  const isUsable = instance !== undefined && isListedHost(instance, rules.loginHosts);
  return questions.text('--login-url', undefined, 'Salesforce log-in host (a My Domain works with every kind of app)', {
    initial: isUsable ? instance : 'https://login.salesforce.com',
    problem: (url) =>
      isListedHost(URL.parse(url)?.origin ?? '', rules.loginHosts)
        ? undefined
        : `It must be one of LOGIN_HOSTS: ${rules.loginHosts.join(', ')}`,
  });
}

function tell(
  session: Session,
  { name, secretName, connectorProfileName, profile }: Place,
  grantType: GrantType,
  { user, certificateFile, certificateEnd, lacksSeed = false, stepsShown = false }: Draft,
  { redirectUri }: LoginArguments,
): void {
  const steps = salesforceSteps(grantType, { certificateFile, user: user ?? 'the integration user', redirectUri });
  const commands = lacksSeed ? [`authorize ${name}`, `refresh ${name}`] : [`check ${name}`, `refresh ${name}`];
  const next = commands.map((command) => `${COMMAND} ${command}`);
  if (session.json) {
    sayJson({
      ok: true,
      connection: name,
      connectorProfileName,
      profileExists: profile !== undefined,
      secret: secretName,
      grantType,
      user: user ?? null,
      certificateFile: certificateFile ?? null,
      certificateEnd: certificateEnd?.toISOString() ?? null,
      lacksSeed,
      steps,
      next,
    });
    return;
  }
  say`${paint('green', '✓')} ${secretName} is made, for the connector profile ${connectorProfileName}.`;
  if (certificateFile !== undefined && certificateEnd !== undefined)
    say`  Its private key is in there and nowhere else. The certificate, good until ${certificateEnd.toISOString().slice(0, 10)}, is in ${certificateFile}.`;
  if (lacksSeed)
    say`  It has no refresh token yet, and fails with SECRET_MALFORMED until authorize ${name} stores one.`;
  if (profile === undefined)
    say`${paint('yellow', '!')} AppFlow has no connector profile ${connectorProfileName} yet: make it before the first refresh.`;
  if (!stepsShown) say`\nIn Salesforce, unless it is done:\n${numbered(steps)}`;
  say`\nThen:\n${lines(next.map((command) => text`  ${command}`))}`;
}
