import type { GrantType } from '../../functions/core/credentials.ts';
import { lines, type Text, text } from './output.ts';

/** What only an administrator of the Salesforce org can do, in order. Both kinds of app: connected apps can no longer be made in most orgs. */
export function salesforceSteps(
  grantType: GrantType,
  told: { readonly certificateFile?: string | undefined; readonly user: string; readonly redirectUri: string },
): string[] {
  const app =
    'Setup → External Client App Manager → the app (or New External Client App) → enable OAuth, with the scopes "Manage user data via APIs (api)" and "Perform requests at any time (refresh_token, offline_access)".';
  switch (grantType) {
    case 'JWT_BEARER':
      return [
        `${app} The form wants a callback URL, which this flow never uses: ${told.redirectUri} will do.`,
        `Its settings → Flow Enablement → Enable JWT Bearer Flow, and upload ${told.certificateFile ?? 'the certificate'}. (In a connected app: Edit → Use digital signatures.)`,
        `Its policies → Permitted Users: "Admin approved users are pre-authorized", then select a profile or permission set that ${told.user} has.`,
        'The consumer key stands at its settings → OAuth Settings → Consumer Key and Secret. (In a connected app: View → Manage Consumer Details.)',
        'Wait: Salesforce takes up to ten minutes to apply all this.',
      ];
    case 'AUTHORIZATION_CODE':
      return [
        `${app} Its callback URLs must list ${told.redirectUri} for the log-in of add and authorize.`,
        'Its settings → Flow Enablement → Enable Authorization Code and Credentials Flow if it is offered, and require PKCE.',
        'Its policies → Refresh Token Policy: valid until revoked, or longer than you ever want to wait.',
      ];
    case 'CLIENT_CREDENTIALS':
      return [
        'Setup → External Client App Manager → the app → its settings → Flow Enablement → Enable Client Credentials Flow, with the scope "Manage user data via APIs (api)".',
        'Its policies → Enable Client Credentials Flow → Run As: the integration user.',
        'Put the consumer key and secret as {"clientId": …, "clientSecret": …} into the secret that clientCredentialsArn names, and let appflow.amazonaws.com read it.',
      ];
  }
}

export function numbered(steps: readonly string[]): Text {
  return lines(steps.map((step, index) => text`  ${index + 1}. ${step}`));
}
