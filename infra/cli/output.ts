import { styleText } from 'node:util';
import type { ConnectionReport } from '../../functions/core/report.ts';

/** Exit codes, for scripts. They are public: `--help` lists them. */
export const EXIT = { well: 0, unwell: 1, usage: 2, aws: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

type Style = 'green' | 'red' | 'yellow' | 'dim' | 'bold';

/** Results go to stdout; all that is for a person alone (questions, progress, warnings) to stderr, so that a pipe holds results only. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Colour on a terminal that wants it (`NO_COLOR`), plain text anywhere else. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

export function sayJson(value: unknown): void {
  say(JSON.stringify(value, null, 2));
}

/** Codes that mean: AWS could not be asked, so nothing is known about the connection. */
const AWS_CODES = new Set(['ACCESS_DENIED', 'SECRETS_UNAVAILABLE', 'APPFLOW_UNAVAILABLE', 'KMS_UNAVAILABLE']);

export function exitCodeOf(code: string): ExitCode {
  if (code === 'INPUT_INVALID' || code === 'SETTINGS_INVALID') return EXIT.usage;
  return AWS_CODES.has(code) ? EXIT.aws : EXIT.unwell;
}

export function exitCodeOfReports(reports: readonly ConnectionReport[]): ExitCode {
  const codes = reports.flatMap(({ outcome, error }) => (outcome === 'failed' ? [error?.code ?? ''] : []));
  if (codes.length === 0) return EXIT.well;
  return codes.length === reports.length && codes.every((code) => AWS_CODES.has(code)) ? EXIT.aws : EXIT.unwell;
}

/** What went wrong and what to do about it, for a person. */
export function trouble(
  { code, message, hint }: { readonly code: string; readonly message: string; readonly hint: string },
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return `${paint('red', code, stream)}: ${message}
  → ${hint}`;
}

export function indent(text: string, by: string): string {
  return text.replaceAll('\n', `\n${by}`);
}

/** A span of time as people say it, such as `26 h`. */
export function span(milliseconds: number): string {
  const seconds = Math.round(Math.abs(milliseconds) / 1000);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `26 h ago` or `in 34 min`. */
export function relative(date: Date, now: Date): string {
  const milliseconds = date.getTime() - now.getTime();
  return milliseconds > 0 ? `in ${span(milliseconds)}` : `${span(milliseconds)} ago`;
}
