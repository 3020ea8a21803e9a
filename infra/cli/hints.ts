import { COMMAND, type Hint, sentences } from '../../functions/core/hint.ts';
import { bounded, MOST_HINT } from '../../functions/core/wording.ts';

/** A hint in the words of the one at the command line: his own credentials, no tick that comes by itself, and the command that does it. */
export function hintForOperator(hint: Hint): string {
  return bounded(inFull(hint), MOST_HINT);
}

function inFull(hint: Hint): string {
  switch (hint.kind) {
    case 'do':
      return sentences(hint.text, hint.command && `This command does it: ${commandLine(hint.command)}`);
    case 'wait':
      return sentences(
        'Try again; if it goes on, look at the network, and at AWS_ENDPOINT_URL_… where it is set.',
        hint.ifItDoes,
      );
    case 'allow':
      return `Allow ${hint.what} for the credentials that you use here, ${hint.also}.`;
    case 'environment':
      return 'Correct these environment variables.';
  }
}

/** A command of this program as a person would type it. */
function commandLine({ name, connection }: { readonly name: string; readonly connection: string }): string {
  return `${COMMAND} ${name} ${connection}`;
}
