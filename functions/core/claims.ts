/** RFC 7523 section 3: what a JWT bearer assertion for Salesforce claims. */
export interface Claims {
  /** The connected app's consumer key. */
  readonly issuer: string;
  /** The integration user's name. */
  readonly subject: string;
  readonly audience: string;
  /** Epoch seconds (RFC 7519 section 4.1.4). */
  readonly expiresAt: number;
}

/**
 * The claims set as JSON text in pure ASCII without `>` and `~`: each such character is written as `\uXXXX`, which means the same
 * to every JSON parser.
 *
 * AppFlow's pattern for `jwtToken` has no `-` in its first two segments, and base64url writes sextet 62 as `-`. Over ASCII text that
 * sextet appears exactly where the third byte of a group is `>` (0x3E) or `~` (0x7E); over other text it can appear anywhere. With
 * those characters escaped it cannot appear at all. (`_`, sextet 63, is allowed.)
 *
 * No `jti`: AppFlow presents the same JWT again whenever it needs an access token, and Salesforce takes a `jti` once only.
 */
export function claimsSet(claims: Claims): string {
  const json = JSON.stringify({
    iss: claims.issuer,
    sub: claims.subject,
    aud: claims.audience,
    exp: claims.expiresAt,
  });
  // Without the `u` flag the expression walks UTF-16 code units, which is what \uXXXX spells; 0x7F and above go too.
  return json.replace(/[>~\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
