import { styleText } from 'node:util';
import Table from 'cli-table3';

export interface Row {
  readonly connection: string;
  readonly grant: string;
  readonly holds: string;
  readonly age: string;
  readonly validUntil: string;
  /** Whether AppFlow gets into Salesforce with what it holds. */
  readonly login: boolean;
  readonly outcome: string;
  readonly failed: boolean;
}

/** Colour on a terminal, plain text in a pipe. */
export function table(rows: readonly Row[]): string {
  const colour = (style: 'green' | 'red' | 'dim', text: string) => styleText(style, text, { stream: process.stdout });
  const drawn = new Table({
    head: ['connection', 'grant', 'AppFlow holds', 'age', 'valid until', 'log-in', 'outcome'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    drawn.push([
      row.connection,
      row.grant,
      row.holds,
      row.age,
      row.validUntil.replace('.000Z', 'Z'),
      row.login ? colour('green', 'works') : colour('red', 'fails'),
      row.failed ? colour('red', row.outcome) : row.outcome,
    ]);
  }
  return drawn.toString();
}
