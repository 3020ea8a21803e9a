import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { bugIn } from '../../functions/core/errors.ts';
import { HELP } from './help.ts';
import { REDIRECT_URI } from './loopback.ts';
import { EXIT, exitCodeOf, lines, note, paint, say, sayJson, trouble } from './output.ts';
import { Cancelled, forOperator, LAST_ACTS, openSession, type Session } from './session.ts';

/** Each command's options, as commander hands them over; its own types promise nothing. */
const flag = v.optional(v.boolean(), false);
const text = v.optional(v.string());
const Json = v.object({ json: flag });
const Login = v.object({ redirectUri: v.string(), timeout: v.number(), user: text, browser: v.boolean() });
const Add = v.object({
  grant: v.optional(v.picklist(['JWT_BEARER', 'AUTHORIZATION_CODE', 'CLIENT_CREDENTIALS'])),
  profile: text,
  interval: v.optional(v.number()),
  loginUrl: text,
  handOver: text,
  clientId: text,
  username: text,
  audience: text,
  lifetime: v.optional(v.number()),
  clientCredentialsArn: text,
  encryptionKey: text,
  certificateFile: text,
  bits: v.number(),
  days: v.number(),
  clientSecretStdin: flag,
  refreshTokenStdin: flag,
  authorize: v.boolean(),
});

function number(least: number, most: number) {
  return (given: string) => {
    const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

const program = new Command('appflow-token-refresher')
  .description('Looks after the Salesforce credentials of Amazon AppFlow connector profiles.')
  .addHelpText('after', HELP.program)
  .configureOutput({
    writeOut: (help) => say`${shown(help)}`,
    writeErr: (help) => note`${shown(help)}`,
    // It quotes what it complains of, so that no line break in there is its own. A value may be a secret that was put in the wrong place: of an
    // option its name is enough, and of arguments too many their number.
    outputError: (complaint) =>
      note`${lines(
        complaint
          .trimEnd()
          .replace(/(option '--?[\w-]*)=.*'(?=$|\n\(Did )/s, "$1'")
          .replace(/( but got \d+): .*$/s, '$1.')
          .split(/\n(?=\(Did you mean )/),
      )}`,
  })
  .exitOverride();

/** Its lines, without the last line break, which is ours to write. */
function shown(printed: string) {
  return lines(printed.replace(/\n$/, '').split('\n'));
}

/** Whether a script is listening, as soon as that is known. */
let isJson = false;
let isEnding = false;

/** Runs a command in a session of its own; its result is the exit code. */
async function run(command: Command, use: (session: Session) => Promise<number>): Promise<void> {
  isJson = v.parse(Json, command.opts()).json;
  process.exitCode = await use(await openSession(isJson));
}

/** A span of time such as `90m`, in milliseconds. */
function span(given: string): number {
  const [, count, unit = ''] = /^(\d{1,4})([mhd])$/.exec(given) ?? [];
  const length = Number(count) * ({ m: 60_000, h: 3_600_000, d: 86_400_000 }[unit] ?? Number.NaN);
  if (length > 0 && length <= 90 * 86_400_000) return length;
  throw new InvalidArgumentError('It must be a span of time such as 90m, 6h or 7d, of at most 90d.');
}

const stage = () =>
  new Option('--stage <stage>', "of the deployment whose functions' log is read")
    .argParser((given) => {
      if (/^[A-Za-z0-9-]{1,40}$/.test(given)) return given;
      throw new InvalidArgumentError('It must be a stage, such as prod.');
    })
    .default('prod');
const json = () => new Option('--json', 'one JSON document on stdout instead of text');

const status = program
  .command('status')
  .description('all connections in one table: is something wrong with one, and if so, with which and why?')
  .option('--why', 'try each one in a dry run and at Salesforce, and say what that found')
  .option('--flows', 'name the flows that use each profile')
  .addOption(stage())
  .addOption(json())
  .addHelpText('after', HELP.status)
  .action(() =>
    run(status, async (session) => {
      const { statusCommand } = await import('./status.ts');
      return statusCommand(session, v.parse(v.object({ why: flag, flows: flag, stage: v.string() }), status.opts()));
    }),
  );

const check = program
  .command('check')
  .argument('[names...]', 'connections')
  .description('what can be known without changing anything: a checklist with hints')
  .option('--all', 'every connection')
  .addOption(stage())
  .addOption(json())
  .addHelpText('after', HELP.check)
  .action((names: string[]) =>
    run(check, async (session) => {
      const { checkCommand } = await import('./check.ts');
      return checkCommand(session, { names, ...v.parse(v.object({ all: flag, stage: v.string() }), check.opts()) });
    }),
  );

const logs = program
  .command('logs')
  .argument('<name>', 'a connection')
  .description("what the functions' log says about a connection, newest last")
  .option('--since <span>', 'how far back to look, such as 90m, 6h or 7d', span, 86_400_000)
  .addOption(stage())
  .addOption(json())
  .addHelpText('after', HELP.logs)
  .action((name: string) =>
    run(logs, async (session) => {
      const { logsCommand } = await import('./logs.ts');
      return logsCommand(session, name, v.parse(v.object({ since: v.number(), stage: v.string() }), logs.opts()));
    }),
  );

const refresh = program
  .command('refresh')
  .argument('[names...]', 'connections')
  .description('refresh connections now, due or not')
  .option('--all', 'every connection')
  .option('--dry-run', 'do all that changes nothing')
  .addOption(json())
  .addHelpText('after', HELP.refresh)
  .action((names: string[]) =>
    run(refresh, async (session) => {
      const { refreshCommand } = await import('./refresh.ts');
      return refreshCommand(session, { names, ...v.parse(v.object({ all: flag, dryRun: flag }), refresh.opts()) });
    }),
  );

function withLogin(command: Command): Command {
  return command
    .option('--redirect-uri <uri>', 'a callback URL of the app, on this machine', REDIRECT_URI)
    .option('--timeout <seconds>', 'how long to wait for the log-in', number(1, 3_600), 300)
    .option('--user <username>', 'who must log in; the token of anybody else is revoked')
    .option('--no-browser', 'only print the address, open nothing');
}

function loginOf(command: Command) {
  const { redirectUri, timeout, user, browser } = v.parse(Login, command.opts());
  return { redirectUri, timeoutSeconds: timeout, user, opensBrowser: browser };
}

const add = withLogin(
  program
    .command('add')
    .argument('<name>', 'what the connection will be called')
    .description('make the secret of a new connection; on a terminal it asks for what the flags leave open')
    .addOption(
      new Option('--grant <grant>', 'how it logs in').choices([
        'JWT_BEARER',
        'AUTHORIZATION_CODE',
        'CLIENT_CREDENTIALS',
      ]),
    )
    .option('--profile <name>', 'the AppFlow connector profile; NAME unless given')
    .option('--interval <seconds>', "this connection's refresh interval", number(1, 31_536_000))
    .option('--login-url <url>', 'https://login.salesforce.com unless given; best the My Domain of the org')
    .option('--hand-over <what>', 'what AppFlow is given, where not the usual')
    .option('--client-id <key>', 'the consumer key')
    .option('--username <user>', 'JWT_BEARER: the integration user')
    .option('--audience <url>', 'JWT_BEARER: the login URL unless given')
    .option('--lifetime <seconds>', 'JWT_BEARER: life of the JWT', number(1, 31_536_000))
    .option('--bits <n>', 'JWT_BEARER: length of the RSA key', number(2_048, 8_192), 2_048)
    .option('--days <n>', 'JWT_BEARER: life of the certificate', number(1, 3_650), 365)
    .option('--certificate-file <file>', 'JWT_BEARER: where the certificate goes; NAME.crt unless given')
    .option('--client-credentials-arn <arn>', 'secret {"clientId", "clientSecret"} that AppFlow reads too')
    .option('--client-secret-stdin', 'AUTHORIZATION_CODE: read the consumer secret from stdin')
    .option('--refresh-token-stdin', 'AUTHORIZATION_CODE: read a refresh token from stdin, and log in nowhere')
    .option('--no-authorize', 'AUTHORIZATION_CODE: make the secret without a token; authorize must follow')
    .option('--encryption-key <id>', 'KMS key for the secret'),
)
  .addOption(json())
  .addHelpText('after', HELP.add)
  .action((name: string) =>
    run(add, async (session) => {
      const { addCommand } = await import('./add.ts');
      return addCommand(session, name, v.parse(Add, add.opts()), loginOf(add));
    }),
  );

const authorize = withLogin(
  program
    .command('authorize')
    .argument('<name>', 'an AUTHORIZATION_CODE connection')
    .description('log in to Salesforce in a browser, and store the new refresh token: the cure for SALESFORCE_REFUSED'),
)
  .addOption(json())
  .addHelpText('after', HELP.authorize)
  .action((name: string) =>
    run(authorize, async (session) => {
      const { authorizeCommand } = await import('./authorize.ts');
      return authorizeCommand(session, name, loginOf(authorize));
    }),
  );

// A forgotten value would otherwise swallow the option after it, and an empty variable of a shell pass for an answer.
for (const { options } of program.commands) {
  for (const option of options) {
    const { parseArg } = option;
    if (!option.required) continue;
    option.argParser((given, previous: unknown) => {
      if (given === '') throw new InvalidArgumentError('It is empty.');
      if (given.startsWith('-')) throw new InvalidArgumentError('It looks like an option: its value is missing.');
      return parseArg === undefined ? given : parseArg(given, previous);
    });
  }
}

// Whoever reads stdout may have seen enough. What was to come is not known to be well.
process.stdout.on('error', () => void end(() => EXIT.pipeClosed));
// Thrown where nobody waits, such as by the socket of a library or a terminal that is gone. Node would print it as it is.
process.on('uncaughtException', (error) => void end(() => explain(error)));
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

/** Ends the process, whatever it was at. Writing that fails brings it here again. */
async function end(code: () => number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await Promise.all([...LAST_ACTS].map((act) => act()));
  process.exit(code());
}

function explain(error: unknown): number {
  // Commander has printed its own.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.well : EXIT.usage;
  if (error instanceof Cancelled) {
    note`Given up: nothing was stored.`;
    return EXIT.interrupted;
  }
  const known = forOperator(error);
  if (known !== undefined) {
    const { code, retryable, message, hint } = known;
    if (isJson) sayJson({ ok: false, error: { code, retryable, message, hint } });
    else note`${trouble(known)}`;
    return exitCodeOf(code);
  }
  const { name, place } = bugIn(error);
  note`${paint('red', name)}: a bug of appflow-token-refresher. Please report it with these lines:`;
  note`${lines(place)}`;
  return EXIT.unwell;
}
