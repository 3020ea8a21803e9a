import cliProgress from 'cli-progress';
import { isConnectionName } from '../../functions/core/connection/target.ts';
import { refreshByHand } from '../../functions/core/refresh-by-hand.ts';
import { type ConnectionReport, type Served, shown } from '../../functions/core/report.ts';
import { enumerated } from '../../functions/core/wording.ts';
import { AT_ONCE } from './in-turns.ts';
import {
  EXIT,
  type ExitCode,
  exitCodeOfReports,
  forStderr,
  indent,
  note,
  paint,
  STDERR,
  say,
  sayJson,
  type Text,
  text,
  trouble,
} from './output.ts';
import { forOperator, inputError, LAST_ACTS, presses, type Session, SIGNALS } from './session.ts';

export interface RefreshArguments {
  readonly names: readonly string[];
  readonly all: boolean;
  readonly dryRun: boolean;
}

/** `refresh`: due or not does not matter, since a person asked. */
export async function refreshCommand(session: Session, { names, all, dryRun }: RefreshArguments): Promise<ExitCode> {
  const chosen = await chosenNames(session, names, all);
  // A script, and a pipe, get each line as soon as it is known; on a terminal a bar stands in its place until the end.
  const bar = process.stderr.isTTY && !session.json ? progressBar(chosen.length) : undefined;
  const { reports, left } = await serveAll(session, chosen, dryRun, (report) => {
    if (bar !== undefined) bar.increment(1, { last: forStderr(report.connection) });
    else if (!session.json) say`${reportLine(report)}`;
  });
  bar?.stop();
  const ok = left === 0 && reports.every(({ outcome }) => outcome !== 'failed');
  if (session.json) sayJson({ ok, dryRun, connections: reports });
  else if (bar !== undefined) for (const report of reports) say`${reportLine(report)}`;
  if (chosen.length === 0) note`There is no secret under ${session.rules.secretPrefix}.`;
  if (left === 0) return exitCodeOfReports(reports);
  note`Interrupted: ${left} of ${chosen.length} connections were not begun.`;
  return EXIT.interrupted;
}

/** The connections that the arguments mean. */
export async function chosenNames(session: Session, names: readonly string[], all: boolean): Promise<string[]> {
  const { secretPrefix } = session.rules;
  if (all === names.length > 0) {
    throw inputError(
      all ? '--all was given, and names as well.' : 'No connection was named.',
      'Give the names of connections, or --all; status lists them.',
    );
  }
  const wrong = names.filter((name) => !isConnectionName(name));
  if (wrong.length > 0)
    throw inputError(
      `${enumerated(wrong)}: no connection can have such a name.`,
      `A connection is called as its secret, without ${secretPrefix}.`,
    );
  if (!all) return [...new Set(names)];
  const listed = await session.ports.secrets.list(secretPrefix, session.run());
  return listed.map(({ name }) => name.slice(secretPrefix.length)).sort();
}

/**
 * Serves connections a few at once, each with a deadline of its own. After Ctrl-C none is begun, but those under way are finished: between the
 * exchange of a refresh token and its storage no process should be killed. A second Ctrl-C ends all the same.
 *
 * @returns the reports in the order of `names`, and how many connections were not begun
 */
export async function serveAll(
  session: Session,
  names: readonly string[],
  dryRun: boolean,
  done: (report: ConnectionReport) => void,
): Promise<{ readonly reports: ConnectionReport[]; readonly left: number }> {
  const reports = new Map<string, ConnectionReport>();
  const unexpected: unknown[] = [];
  const rest = [...names];
  let interrupted = false;
  const press = presses();
  const interrupt = (signal: NodeJS.Signals) => {
    const which = press();
    if (which === 'again' || dryRun) process.exit(EXIT.interrupted);
    if (which === 'echo') return;
    interrupted = true;
    // After SIGHUP there is no terminal left to write to.
    if (signal !== 'SIGHUP') note`\nFinishing the connections that are under way; Ctrl-C again ends at once.`;
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  const worker = async () => {
    while (!interrupted) {
      const name = rest.shift();
      if (name === undefined) return;
      try {
        const refreshed = await refreshByHand([name], dryRun, session.context());
        if (refreshed.bugs[0] !== undefined) throw refreshed.bugs[0].error;
        const [served] = refreshed.served;
        if (served === undefined) continue;
        const report = reportOf(served);
        reports.set(name, report);
        done(report);
      } catch (error) {
        unexpected.push(error);
      }
    }
  };
  const workers = Promise.all(Array.from({ length: AT_ONCE }, worker));
  // Also where nobody reads any more: a token that Salesforce has rotated is lost if it is not stored.
  const lastAct = async () => {
    interrupted = true;
    if (!dryRun) await workers;
  };
  LAST_ACTS.add(lastAct);
  try {
    await workers;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
    LAST_ACTS.delete(lastAct);
  }
  if (unexpected.length > 0) throw unexpected[0];
  return { reports: names.flatMap((name) => reports.get(name) ?? []), left: rest.length };
}

/** The report in the words of the one at the command line. */
function reportOf({ report, error }: Served): ConnectionReport {
  const translated = forOperator(error);
  return translated === undefined ? report : { ...report, error: shown(translated) };
}

function reportLine({ connection, outcome, validUntil, error }: ConnectionReport): Text {
  if (error !== undefined) return text`${paint('red', '✗')} ${connection}  ${indent(trouble(error), '  ')}`;
  const until = validUntil === undefined || validUntil === null ? '' : `, valid until ${validUntil.slice(0, 16)}Z`;
  const mark = MARKS[outcome] ?? paint('green', '✓');
  return text`${mark} ${connection}  ${outcome}${outcome === 'in-progress' ? ': another run holds it' : until}`;
}

/** A dry run changes nothing and proves nothing, so that it has no ✓. */
const MARKS: Readonly<Partial<Record<ConnectionReport['outcome'], Text>>> = {
  'in-progress': paint('yellow', '…'),
  'would-refresh': paint('dim', '·'),
};

function progressBar(total: number): cliProgress.SingleBar {
  const bar = new cliProgress.SingleBar({
    format: '{bar} {value}/{total}  {last}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    // Ctrl-C is ours: what is under way is finished.
    gracefulExit: false,
    stream: STDERR,
  });
  bar.start(total, 0, { last: '' });
  return bar;
}
