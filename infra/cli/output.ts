import { styleText } from 'node:util';
import type { ConnectionReport } from '../../functions/core/report.ts';

/**
 * Exit codes, for scripts. They are public: `--help` lists them. The last two are what a shell shows of a program that a signal has ended: 128, and
 * SIGINT or SIGPIPE.
 */
export const EXIT = { well: 0, unwell: 1, usage: 2, aws: 3, interrupted: 130, pipeClosed: 141 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

type Style = 'green' | 'red' | 'yellow' | 'dim' | 'bold';
export type Part = string | number | Text;

/**
 * What a terminal obeys or does not show: controls (C0, DEL, C1) with line breaks among them, marks that change the direction of writing,
 * zero-width and other invisible characters, and code points that mean nothing.
 */
const UNSHOWN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Each such character as JSON spells it, such as `\u001b`. */
function visible(outside: string): string {
  return outside.replace(UNSHOWN, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      const unit = character.charCodeAt(at).toString(16);
      return `\\u${unit.padStart(4, '0')}`;
    }).join(''),
  );
}

/**
 * Something that may be written to a terminal. It begins as a template: its literals are ours and stay as they are, and every value in it is made
 * visible, since names, messages and hints hold what AWS and Salesforce say. A string alone cannot be printed, so that no writer can forget.
 */
export class Text {
  readonly #render: (stream: NodeJS.WriteStream) => string;

  private constructor(render: (stream: NodeJS.WriteStream) => string) {
    this.#render = render;
  }

  static of(literals: TemplateStringsArray, ...parts: readonly Part[]): Text {
    return new Text((stream) =>
      literals.map((literal, at) => literal + (at < parts.length ? rendered(parts[at] ?? '', stream) : '')).join(''),
    );
  }

  /** Colour on a terminal that wants it (`NO_COLOR`), plain text anywhere else. */
  static painted(style: Style, part: Part): Text {
    return new Text((stream) => styleText(style, rendered(part, stream), { stream }));
  }

  /** @param arrange puts the rows of finished cells into one block; it adds spaces and line breaks, and nothing from outside */
  static arranged(rows: readonly (readonly Part[])[], arrange: (rows: string[][]) => string): Text {
    return new Text((stream) => arrange(rows.map((row) => row.map((part) => rendered(part, stream)))));
  }

  on(stream: NodeJS.WriteStream): string {
    return this.#render(stream);
  }
}

function rendered(part: Part, stream: NodeJS.WriteStream): string {
  return part instanceof Text ? part.on(stream) : visible(String(part));
}

export const text = Text.of;
export const paint = Text.painted;

/** One under the other. */
export function lines(parts: readonly Part[]): Text {
  return Text.arranged([parts], (rows) => rows.flat().join('\n'));
}

export function indent(part: Part, by: string): Text {
  return Text.arranged([[part]], (rows) => rows.flat().join('').replaceAll('\n', `\n${by}`));
}

/** Results go to stdout; all that is for a person alone (questions, progress, warnings) to stderr, so that a pipe holds results only. */
export function say(literals: TemplateStringsArray, ...parts: readonly Part[]): void {
  process.stdout.write(`${text(literals, ...parts).on(process.stdout)}\n`);
}

export function note(literals: TemplateStringsArray, ...parts: readonly Part[]): void {
  process.stderr.write(`${forStderr(text(literals, ...parts))}\n`);
}

/** For the libraries that write to stderr themselves: prompts, and the bar of a long refresh. */
export function forStderr(part: Part): string {
  return rendered(part, process.stderr);
}

/** Where those libraries write. */
export const STDERR = process.stderr;

export function sayJson(value: unknown): void {
  // JSON's own line breaks alone stand outside its strings.
  const json = JSON.stringify(value, null, 2).split('\n').map(visible).join('\n');
  process.stdout.write(`${json}\n`);
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
export function trouble({ code, message, hint }: Readonly<Record<'code' | 'message' | 'hint', string>>): Text {
  return text`${paint('red', code)}: ${message}\n  → ${hint}`;
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
