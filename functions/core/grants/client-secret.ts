import * as v from 'valibot';
import { checkServes, serves } from '../connection/serves.ts';
import type { Context } from '../context.ts';
import { RefreshError } from '../errors.ts';
import { parse } from '../parsing.ts';
import type { ClientAuth } from '../ports.ts';
import { Redacted } from '../redacted.ts';
import { objectIn, seen, strayIn } from '../secret-text.ts';
import { enumerated } from '../wording.ts';

/** What a secret of clientCredentialsArn holds. */
export interface SharedClient extends ClientAuth {
  readonly clientSecret: Redacted;
  /** Only of one in the shape of Secrets Manager's managed external secrets, which AppFlow cannot read. */
  readonly isManaged?: true;
}

const seenText = (mayHoldSpaces = false) =>
  v.pipe(
    v.string(),
    v.minLength(1, 'is empty'),
    v.rawCheck(({ dataset, addIssue }) => {
      const message = dataset.typed ? strayIn(dataset.value, mayHoldSpaces) : undefined;
      if (message !== undefined) addIssue({ message });
    }),
  );

/** As AppFlow reads it. Other keys are no matter. */
const Shared = v.object({ clientId: seenText(), clientSecret: seenText(true) });
/** Managed external secrets for Salesforce; what else they hold (https://docs.aws.amazon.com/secretsmanager/) is for their rotation. */
const Managed = v.object({ consumerKey: seenText(), consumerSecret: seenText(true) });
const KEYS = [...Object.keys(Shared.entries), ...Object.keys(Managed.entries)];

/**
 * The ARN of a client secret that says itself that it serves the connection.
 *
 * @throws RefreshError `ACCESS_DENIED` where it does not; `SECRET_NOT_FOUND`, `SECRETS_UNAVAILABLE`
 */
export async function admittedArn(connection: string, named: string, { ports, run }: Context): Promise<string> {
  const tagged = await ports.secrets.tags(named, ({ tags }) => serves(tags, connection), run);
  checkServes('client secret', tagged, connection);
  return tagged.arn;
}

/**
 * Reads the secret `{"clientId", "clientSecret"}` that AppFlow reads too, once it is known to serve the connection.
 *
 * @param reader `AppFlow` where it is given the secret's ARN to use: it knows no other shape than its own
 * @throws RefreshError `SECRET_MALFORMED`, naming that secret and not the connection's; those of `admittedArn`
 */
export async function clientFrom(
  connection: string,
  named: string,
  context: Context,
  reader: 'AppFlow' | 'us',
): Promise<SharedClient> {
  const arn = await admittedArn(connection, named, context);
  const { value } = await context.ports.secrets.value(arn, context.run);
  const read = objectIn(value);
  if ('problem' in read) throw malformed(connection, arn, [read.problem]);
  const { object } = read;
  const has = (key: string) => Object.hasOwn(object, key);
  const around = Object.keys(object).filter((key) => seen(key) !== key && KEYS.includes(seen(key)));
  if (around.length > 0)
    throw malformed(
      connection,
      arn,
      around.map((key) => `the name of the key ${seen(key)} has white space or an invisible character around it`),
    );
  if (!has('clientId') && !has('clientSecret') && (has('consumerKey') || has('consumerSecret'))) {
    if (reader === 'AppFlow') throw unreadByAppFlow(connection, arn, context.rules.secretPrefix);
    const { consumerKey, consumerSecret } = parsed(Managed, object, connection, arn);
    return { clientId: consumerKey, clientSecret: new Redacted(consumerSecret), isManaged: true };
  }
  const { clientId, clientSecret } = parsed(Shared, object, connection, arn);
  return { clientId, clientSecret: new Redacted(clientSecret) };
}

function parsed<S extends v.GenericSchema>(
  schema: S,
  object: Record<string, unknown>,
  connection: string,
  arn: string,
): v.InferOutput<S> {
  const result = parse(schema, object);
  if ('output' in result) return result.output;
  throw malformed(
    connection,
    arn,
    result.problems.map(({ at, says }) => `${at.join('.')} ${says}`),
  );
}

function malformed(connection: string, arn: string, problems: readonly string[]): RefreshError {
  return new RefreshError(
    'SECRET_MALFORMED',
    `In the secret ${arn}: ${enumerated(problems, '; ')}.`,
    `Store {"clientId": …, "clientSecret": …} in ${arn}, which clientCredentialsArn of ${connection} names. The secret of ${connection} itself is right.`,
  );
}

function unreadByAppFlow(connection: string, arn: string, secretPrefix: string): RefreshError {
  return new RefreshError(
    'SECRET_MALFORMED',
    `The secret ${arn} holds consumerKey and consumerSecret, and AppFlow, which is to be given its ARN, reads clientId and clientSecret.`,
    `Set "handOver": "ACCESS_TOKEN" in ${secretPrefix}${connection}: tokens are then fetched here with that secret. Or name a secret {"clientId": …, "clientSecret": …} in its clientCredentialsArn.`,
  );
}
