import { bounded, MOST_HINT } from './wording.ts';

/**
 * What a person should do next. It is data, so that each reader gets words of his own: the log and the report speak of the function's role and
 * of ticks, the command line of the operator's own credentials and of the command that does it.
 */
export type Hint =
  /** The same for every reader; `command` is the operator's command that does it. */
  | { readonly kind: 'do'; readonly text: string; readonly command?: OperatorCommand }
  /** Nothing, unless the trouble goes on; `ifItDoes` says where to look then. */
  | { readonly kind: 'wait'; readonly ifItDoes?: string }
  /** IAM must allow something to whoever made the call; `also` is the rest of the sentence. */
  | { readonly kind: 'allow'; readonly what: string; readonly also: string }
  /** The environment of the program is wrong. */
  | { readonly kind: 'environment' };

/**
 * How the operator's command line is called in a checkout. Plain `npx` would fetch a package of that name from a registry where the checkout has
 * none, and anybody may publish one.
 */
export const COMMAND = 'npx --no-install appflow-token-refresher';

export interface OperatorCommand {
  readonly name: 'authorize';
  readonly connection: string;
}

/** A hint in the words of the log and the report, whose reader looks after deployed functions; of bounded length. */
export function hintForLog(hint: Hint): string {
  return bounded(inFull(hint), MOST_HINT);
}

function inFull(hint: Hint): string {
  switch (hint.kind) {
    case 'do':
      return hint.text;
    case 'wait':
      return sentences('Nothing to do unless it goes on: the next attempt comes by itself.', hint.ifItDoes);
    case 'allow':
      return `Allow ${hint.what} in the role of this function, ${hint.also}.`;
    case 'environment':
      return 'Correct the environment of the function: in serverless.yml, and deploy again.';
  }
}

/** Joins the sentences that there are. */
export function sentences(...some: readonly (string | undefined)[]): string {
  return some.filter((one) => one !== undefined).join(' ');
}
