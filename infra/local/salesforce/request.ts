import type { Incoming } from './http.ts';
import type { SalesforceApp, SalesforceOrg } from './org.ts';
import { Refused } from './replies.ts';

export function mustPost(incoming: Incoming): void {
  if (incoming.method !== 'POST') throw new Refused('METHOD');
  rejectDuplicates(incoming.form);
}

export function rejectDuplicates(parameters: URLSearchParams): void {
  if (new Set(parameters.keys()).size !== parameters.size) throw new Refused('DUPLICATE');
}

export function required(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null || value === '') throw new Refused('MISSING');
  return value;
}

export function knownApp(incoming: Incoming, org: SalesforceOrg): SalesforceApp {
  const { clientId } = sentCredentials(incoming);
  const app = clientId === undefined ? undefined : org.apps.get(clientId);
  if (!app) throw new Refused('CLIENT_ID');
  return app;
}

/** `client_secret_basic` (both halves form-encoded, RFC 6749 section 2.3.1) or `client_secret_post`, not both. */
function sentCredentials({ form, authorization }: Incoming): { clientId?: string; clientSecret?: string } {
  const encoded = /^Basic\s+(\S+)$/i.exec(authorization ?? '')?.[1];
  const [clientId, clientSecret] =
    encoded === undefined ? [form.get('client_id'), form.get('client_secret')] : basicCredentials(encoded);
  if (encoded !== undefined && form.has('client_secret')) throw new Refused('TWO_SECRETS');
  return { ...(clientId === null ? {} : { clientId }), ...(clientSecret === null ? {} : { clientSecret }) };
}

function basicCredentials(encoded: string): [string, string] {
  const [clientId, ...secret] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  try {
    return [formDecoded(clientId ?? ''), formDecoded(secret.join(':'))];
  } catch {
    throw new Refused('CLIENT_CREDENTIALS');
  }
}

function formDecoded(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** What goes on to oidc-provider, which compares secrets. Where none is needed and none was sent, the app's own is filled in. */
export function clientAuthentication(
  incoming: Incoming,
  app: SalesforceApp,
  secretRequired: boolean,
): { client_id: string; client_secret?: string } {
  const sent = sentCredentials(incoming).clientSecret;
  const secret = sent ?? (secretRequired ? undefined : app.clientSecret);
  return { client_id: app.clientId, ...(secret === undefined ? {} : { client_secret: secret }) };
}
