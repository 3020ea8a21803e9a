import { isConnectionName } from '../../functions/core/connection/target.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { FUNCTIONS, type LogLine, searchLog } from './functions-log.ts';
import {
  EXIT,
  type ExitCode,
  exitCodeOf,
  lines,
  note,
  paint,
  say,
  sayJson,
  type Text,
  text,
  trouble,
} from './output.ts';
import { inputError, orError, type Session } from './session.ts';

/** Lines that are shown at most. */
const MOST_LINES = 100;

/** A line, and how often it was repeated until then. */
interface Shown extends LogLine {
  readonly times: number;
}

/** `logs`: what the functions have logged about a connection, newest last. */
export async function logsCommand(
  session: Session,
  name: string,
  { since, stage }: { readonly since: number; readonly stage: string },
): Promise<ExitCode> {
  if (!isConnectionName(name))
    throw inputError('No connection can have such a name.', 'status lists the names of all connections.');
  const run = session.run();
  const to = new Date(run.now());
  const from = new Date(to.getTime() - since);
  // Repetitions are found as well, so more are asked for than are shown.
  const query = { stage, functions: FUNCTIONS, connection: name, from, to, enough: 3 * MOST_LINES };
  const found = await orError(() => searchLog(query, run));
  if (found instanceof RefreshError) {
    if (session.json) sayJson({ ok: false, error: { code: found.code, message: found.message, hint: found.hint } });
    else note`${trouble(found)}`;
    return found.code === 'OUT_OF_TIME' ? EXIT.aws : exitCodeOf(found.code);
  }
  const shown = collapsed(found.lines.filter(isTelling)).slice(-MOST_LINES);
  const begin = found.since.toISOString();
  if (session.json) sayJson({ connection: name, since: begin, lines: shown.map(jsonOf) });
  else if (shown.length === 0)
    note`The functions have logged nothing about ${name} since ${begin.slice(0, 19)}Z: --since looks further back, and status shows whether there is such a connection.`;
  else say`${lines(shown.map(line))}`;
  if (found.since > from && shown.length > 0)
    note`Lines before ${begin.slice(0, 19)}Z were not read: there are many. A shorter --since shows the same.`;
  return EXIT.well;
}

/** At every tick `dispatch` says how long a connection has waited: that is in status, and would hide all else. */
function isTelling({ function: name, code, outcome }: LogLine): boolean {
  return name !== 'dispatch' || code !== undefined || outcome !== undefined;
}

/** One line for the same said again and again, at the time at which it was said last. */
function collapsed(all: readonly LogLine[]): Shown[] {
  const shown: Shown[] = [];
  for (const one of all) {
    const last = shown.at(-1);
    const isSame =
      last?.function === one.function &&
      last.code === one.code &&
      last.message === one.message &&
      last.hint === one.hint;
    if (isSame) shown.pop();
    shown.push({ ...one, times: isSame ? last.times + 1 : 1 });
  }
  return shown;
}

function line({ at, function: name, level, outcome, code, message, hint, times }: Shown): Text {
  const head = text`${paint('dim', `${at.toISOString().slice(0, 19)}Z`)}  ${name.padEnd(8)}  `;
  const again = times === 1 ? '' : paint('dim', `  (${times} times)`);
  if (code !== undefined) return text`${head}${trouble({ code, message, hint: hint ?? 'See the runbook.' })}${again}`;
  const isTrouble = level === 'ERROR' || level === 'WARN';
  return text`${head}${isTrouble ? paint('yellow', message) : (outcome ?? message)}${again}`;
}

function jsonOf({ at, function: name, outcome, code, message, hint, times }: Shown) {
  return {
    at: at.toISOString(),
    function: name,
    outcome: outcome ?? null,
    code: code ?? null,
    message,
    hint: hint ?? null,
    times,
  };
}
