/** What `--help` says below the options: what the shapes and exit codes are is public. */
export const HELP = {
  program: `
It lives by your own AWS credentials and by the functions' settings, in the same environment variables and with the same defaults: AWS_REGION,
AWS_PROFILE, SECRET_PREFIX, TOKEN_PREFIX, REFRESH_INTERVAL_SECONDS, TICK_SECONDS, LOGIN_HOSTS, … Where you deployed others, set them here too.
Against the local services: npm run stack, and paste the exports that it prints.

Results go to stdout, all else to stderr. NO_COLOR turns colours off. No secret is taken as an argument, and none is printed.

Exit codes:
  0    nothing is wrong as far as was looked
  1    a connection failed, or is unhealthy
  2    the arguments, the input or the environment variables are wrong
  3    AWS could not be asked, so nothing is known
  130  interrupted
  141  whoever read the output has closed the pipe`,
  status: `
Without --why nothing is tried, and nothing is called healthy: · fresh (within its interval), ● due (an attempt is on its way). With --why
✓ healthy (Salesforce accepts what the next refresh would send, the last update was ours, and flows can log in) or ? unproven (one of these could
not be asked: "doubts"; no failure).
✗ overdue (by a quarter of its interval or three ticks, as the alarm has it), failing (the last attempt failed, by the functions' log, or AppFlow cannot log in), edited (by
another program after our last run), or unhealthy (something is wrong, or a refresh would fail now). New secrets show up within five minutes. --json:
  {"ok", "at", "connections": [{"connection", "connectorProfileName", "grantType", "handOver", "intervalSeconds", "updatedAt", "ageSeconds",
    "dueSince", "nextAttempt", "certificateEnd", "state": "healthy"|"unproven"|"fresh"|"due"|"overdue"|"failing"|"edited"|"unhealthy", "overdue",
    "problems": [{"code", "message", "hint"}], "lastFailure": {"at", "function", "code", "message", "hint"}|null,
    "edited": {"at", "certain"}|null, "unread"?: {…} where the value may not be read, with --flows or --why
    "flows": [{"flowName", "trigger", "trouble"?: {"what": "switched-off"|"run-failed", "why": "log-in"|"unknown", "at"?}}]|null, with --why "verdict"?: the report's entry of refresh, "proof"?: {"state": "proven"|"unproven", "detail",
    "session"?: "lives"|"ended"|"unknown"}|null, "doubts": []}],
    "unservedProfiles": [], "log": {"read", "error"?}}`,
  check: `
A dry run, and then Salesforce is asked: it gets a JWT of our own, or is asked whether the refresh token is active (RFC 7662) where the connection has
a client secret. A refresh token is never spent. ? is unproven: Salesforce was not asked, or did not say; no failure. The last line says where CloudTrail
has no trail that would tell of an overwritten profile; no failure either. --json: the report of refresh, each entry with
  "checks": [{"check", "result": "ok"|"failed"|"warning"|"unproven"|"not-reached"|"not-asked", "detail", "error"?: {…}}]
and beside them "trail": {"state": "recording"|"none"|"unknown", "detail", "error"?: {…}}`,
  logs: `
The last hundred lines about it at most, repetitions counted. --json:
  {"connection", "since", "lines": [{"at", "function", "outcome", "code", "message", "hint", "times"}]}`,
  refresh: `
A dry run changes nothing and proves nothing: check tries the connection at Salesforce.
Ctrl-C lets those that are under way finish, so that no token is lost. --json:
  {"ok", "dryRun", "connections": [{"connection", "connectorProfileName", "grantType"?, "handOver"?,
    "outcome": "refreshed"|"would-refresh"|"in-progress"|"failed", "validUntil"?, "error"?: {"code", "retryable", "message", "hint"}}]}`,
  add: `
JWT_BEARER: a new RSA key goes into the secret and nowhere else, its certificate into NAME.crt, for upload to Salesforce. The consumer key is known
first: make the app (without a certificate), copy its consumer key, run add --client-id KEY, then enable the JWT flow and upload NAME.crt.
Whoever must bring the certificate along when the app is made leaves --client-id out on a terminal: add makes the certificate, and its question
for the consumer key waits. (For a key in KMS make the secret by hand, with kmsKeyId.)
AUTHORIZATION_CODE: a person logs in in the browser before the secret is made, as with authorize. With both --…-stdin the consumer secret is the
first line, the refresh token the second.
Nothing is overwritten, and nothing is stored that refresh would call malformed. --json:
  {"ok", "connection", "connectorProfileName", "profileExists", "secret", "grantType", "user", "certificateFile", "certificateEnd", "lacksSeed",
    "steps": [what to do in Salesforce], "next": [commands]}`,
  authorize: `
Salesforce takes http for the host name localhost alone, and compares callback URLs character for character; the default is the one of Salesforce's
own command line. Only the seed changes in the secret. Without --user it shows whose token came, and asks; a token that is not stored is revoked.
Where nobody can be asked --user is required. --json: {"ok", "connection", "secret", "user"}`,
} as const;
