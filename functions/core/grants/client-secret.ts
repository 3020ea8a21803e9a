import * as v from 'valibot';
import type { Context } from '../context.ts';
import { RefreshError } from '../errors.ts';
import type { ClientAuth } from '../ports.ts';
import { Redacted } from '../redacted.ts';

const ClientSecret = v.object({
  clientId: v.pipe(v.string(), v.minLength(1)),
  clientSecret: v.pipe(v.string(), v.minLength(1)),
});

/** Reads the secret `{"clientId", "clientSecret"}` that AppFlow reads too. */
export async function clientFrom(
  connection: string,
  arn: string,
  { ports, run }: Context,
): Promise<ClientAuth & { readonly clientSecret: Redacted }> {
  const { value } = await ports.secrets.value(arn, run);
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
