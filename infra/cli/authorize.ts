import type { AuthorizationCodeConnection } from '../../functions/core/connection/connection.ts';
import { parseConnection } from '../../functions/core/connection/parse-connection.ts';
import { isConnectionName } from '../../functions/core/connection/target.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { clientOf } from '../../functions/core/grants/authorization-code.ts';
import { COMMAND } from '../../functions/core/hint.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { objectIn } from '../../functions/core/secret-text.ts';
import { operatorSecrets } from './operator-secrets.ts';
import { EXIT, type ExitCode, note, paint, say, sayJson } from './output.ts';
import { Questions } from './questions.ts';
import { Cancelled, inputError, type Session } from './session.ts';
import { type LoggedIn, logIn } from './web-login.ts';

export interface LoginArguments {
  readonly redirectUri: string;
  readonly timeoutSeconds: number;
  readonly user: string | undefined;
  readonly opensBrowser: boolean;
}

/** `authorize`: what the person on call does after SALESFORCE_REFUSED. Stores a new seed, and leaves all other keys of the secret as they are. */
export async function authorizeCommand(session: Session, name: string, login: LoginArguments): Promise<ExitCode> {
  if (!isConnectionName(name)) throw inputError('No connection can have such a name.', 'status lists them.');
  const secretName = session.rules.secretPrefix + name;
  const { value } = await session.ports.secrets.value(secretName, session.run());
  // The rest must be right before anybody is sent to a browser.
  const { connection } = withSeed(session, name, value, PLACEHOLDER);
  const { refreshToken, user, token } = await logInFor(session, connection, login);
  await token.storeBy(async () => {
    // Read again: the log-in took minutes, and somebody may have changed the secret meanwhile.
    const now = await session.ports.secrets.value(secretName, session.run());
    const seeded = withSeed(session, name, now.value, refreshToken);
    if (!isSameApp(connection, seeded.connection))
      throw inputError(
        `${secretName} was changed while you logged in: it names another app or login host now.`,
        'The new token would not work there. Nothing was stored; run it again.',
      );
    await operatorSecrets(session.ports.secrets).replace(secretName, seeded.value, session.run());
  });
  if (session.json) sayJson({ ok: true, connection: name, secret: secretName, user: user ?? null });
  else {
    const by = user === undefined ? '' : ` of ${user}`;
    say`${paint('green', '✓')} The new refresh token${by} is stored in ${secretName}.`;
    say`  The next tick uses it. To see it work now: ${COMMAND} refresh ${name}`;
  }
  return EXIT.well;
}

function isSameApp(one: AuthorizationCodeConnection, other: AuthorizationCodeConnection): boolean {
  return one.clientId === other.clientId && one.loginUrl === other.loginUrl;
}

/**
 * Lets a person log in for a connection, with its client's secret, wherever that lies. Whose token comes is either said beforehand, with `--user`,
 * or asked: whoever is logged in in that browser, or lures the person into another log-in, would otherwise decide whose data flows.
 */
export async function logInFor(
  session: Session,
  connection: AuthorizationCodeConnection,
  login: LoginArguments,
): Promise<LoggedIn> {
  const { name, loginUrl } = connection;
  const secretName = session.rules.secretPrefix + name;
  if (login.user === undefined && !session.interactive)
    throw inputError(
      'Whose token it will be cannot be asked here.',
      'Say with --user USERNAME who logs in; the token of anybody else is revoked, not stored.',
    );
  const client = await clientOf(connection, session.context());
  const loggedIn = await logIn({ connection: name, secretName, loginUrl, client, ...login }, () => session.run());
  const { user, instance = 'an unknown host', token } = loggedIn;
  if (login.user === undefined) {
    await token.during(async () => {
      note`Salesforce issued a refresh token of ${paint('bold', user ?? 'a user that it does not name')}, for ${paint('bold', instance)}.`;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
      if (user !== undefined && !/^[\u0000-\u007f]*$/.test(user))
        note`${paint('yellow', '!')} Some letters of that name are not ASCII: another name may look the same.`;
      if (!(await new Questions(session).confirm(`Store it in ${secretName}?`))) throw new Cancelled();
    });
  }
  return loggedIn;
}

/** Stands where a seed will be, so that the parser can judge the rest. It is never stored. */
export const PLACEHOLDER = new Redacted('none-yet');

/**
 * A secret's value with another seed, checked by the functions' own parser.
 *
 * @throws RefreshError `SECRET_MALFORMED` and the parser's other codes; `INPUT_INVALID` for another grant
 */
function withSeed(session: Session, name: string, old: Redacted, seed: Redacted) {
  const read = objectIn(old);
  const object = 'object' in read ? read.object : undefined;
  if (object !== undefined && object['grantType'] !== 'AUTHORIZATION_CODE') {
    throw inputError(
      `${name} is no AUTHORIZATION_CODE connection: it has no refresh token.`,
      `If its refreshes fail, check ${name} says why.`,
    );
  }
  const { oAuthRequest: _spent, ...rest } = object ?? {};
  // What is no JSON object is the parser's to explain.
  const value =
    object !== undefined ? new Redacted(JSON.stringify({ ...rest, refreshToken: seed.reveal() }, null, 2)) : old;
  const connection = parseConnection(name, value, session.rules, session.ports.signer);
  if (connection.grantType !== 'AUTHORIZATION_CODE') throw new RefreshError('SECRET_MALFORMED', 'Another grant.', '');
  return { connection, value };
}
