import * as v from 'valibot';
import { checkServes, serves } from '../connection/serves.ts';
import type { Context } from '../context.ts';
import { RefreshError } from '../errors.ts';
import type { ClientAuth } from '../ports.ts';
import { Redacted } from '../redacted.ts';

const ClientSecret = v.object({
  clientId: v.pipe(v.string(), v.minLength(1)),
  clientSecret: v.pipe(v.string(), v.minLength(1)),
});

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

/** Reads the secret `{"clientId", "clientSecret"}` that AppFlow reads too, once it is known to serve the connection. */
export async function clientFrom(
  connection: string,
  named: string,
  context: Context,
): Promise<ClientAuth & { readonly clientSecret: Redacted }> {
  const arn = await admittedArn(connection, named, context);
  const { value } = await context.ports.secrets.value(arn, context.run);
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.reveal());
  } catch {
    parsed = undefined;
  }
  const result = v.safeParse(ClientSecret, parsed);
  if (result.success)
    return { clientId: result.output.clientId, clientSecret: new Redacted(result.output.clientSecret) };
  throw new RefreshError(
    'SECRET_MALFORMED',
    'The secret of clientCredentialsArn is not a JSON object with the strings clientId and clientSecret.',
    `Store {"clientId": …, "clientSecret": …} in the secret that clientCredentialsArn of ${connection} names.`,
  );
}
