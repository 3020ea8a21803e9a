import type { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import * as v from 'valibot';
import { orRefreshError, RefreshError } from '../core/errors.ts';
import type { Notice, Notices } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { codeOf, readable, text } from './aws-answer.ts';
import { type AwsCall, callAws } from './aws-call.ts';

/** The `source` of all events of ours. */
const SOURCE = 'appflow-token-refresher';
/** The most entries that PutEvents takes. Ten of ours, each bounded, stay far below what a request may have. */
const BATCH = 10;

const CALL: AwsCall = {
  action: 'events:PutEvents',
  resource: 'event-bus/default',
  // The bus has no code of its own: nothing waits for it, and it is only logged.
  unavailable: 'APPFLOW_UNAVAILABLE',
};
const Answer = v.object({ Entries: v.nullish(v.array(v.nullish(v.object({ ErrorCode: text }))), []) });
/** https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html: the codes after which an entry should be sent again. */
const PASSING = new Set(['InternalException', 'InternalFailure', 'ThrottlingException']);

const LOST =
  'No refresh is concerned, and what was to be told is in this log alone. If it goes on, see the AWS Health Dashboard and the quotas of EventBridge.';

/** Of a batch that was answered with 200, an entry that was not taken: as the answer would be if it were alone. */
class NotTaken extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(code: string) {
    super();
    this.name = codeOf(code);
    this.$metadata = { httpStatusCode: PASSING.has(this.name) ? 500 : 400 };
  }
}

/** EventBridge's default bus. @param load makes the client; asked only where there is something to tell */
export function noticesAdapter(load: () => Promise<EventBridgeClient>): Notices {
  async function putBatch(notices: readonly Notice[], run: Run): Promise<void> {
    const { PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
    const client = await load();
    let entries = notices.map(({ kind, detail }) => ({
      Source: SOURCE,
      DetailType: kind,
      Detail: JSON.stringify(detail),
    }));
    await callAws(CALL, run, async (options) => {
      const answer = readable(Answer, await client.send(new PutEventsCommand({ Entries: entries }), options), CALL);
      // In the order of the request. What was taken is not sent again.
      const codes = answer.Entries.map((entry) => entry?.ErrorCode ?? '');
      entries = entries.filter((_, n) => (codes[n] ?? '') !== '');
      const code = codes.find((one) => PASSING.has(codeOf(one))) ?? codes.find((one) => one !== '');
      if (code !== undefined) throw new NotTaken(code);
    });
  }

  return {
    async put(notices, run) {
      let problem: RefreshError | undefined;
      for (let at = 0; at < notices.length; at += BATCH) {
        const put = await orRefreshError(() => putBatch(notices.slice(at, at + BATCH), run));
        if (put instanceof RefreshError) problem ??= put;
      }
      if (problem === undefined) return;
      const { code, message, next } = problem;
      // Nobody tells it later.
      throw next.kind === 'wait' ? new RefreshError(code, message, LOST, problem) : problem;
    },
  };
}
