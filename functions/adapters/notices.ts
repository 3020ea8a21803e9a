import type { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import type { Notice, Notices } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { publicName } from '../core/wording.ts';
import { list, readable, text } from './aws-answer.ts';
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
const Answer = v.object({ Entries: list(v.object({ ErrorCode: text })) });

/** EventBridge's default bus. @param load makes the client; asked only where there is something to tell */
export function noticesAdapter(load: () => Promise<EventBridgeClient>): Notices {
  async function putBatch(notices: readonly Notice[], run: Run): Promise<void> {
    const { PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
    const client = await load();
    const Entries = notices.map(({ kind, detail }) => ({
      Source: SOURCE,
      DetailType: kind,
      Detail: JSON.stringify(detail),
    }));
    const answer = await callAws(CALL, run, async (options) =>
      readable(Answer, await client.send(new PutEventsCommand({ Entries }), options), CALL),
    );
    // It answers 200 also where it took nothing.
    const refused = answer.Entries.flatMap(({ ErrorCode }) => ErrorCode ?? []);
    if (refused.length === 0) return;
    throw new RefreshError(
      'APPFLOW_UNAVAILABLE',
      `EventBridge did not take ${refused.length} of our events (${publicName(refused[0])}).`,
      'The refresh itself is not concerned. See whether the default event bus of this account takes events.',
    );
  }

  return {
    async put(notices, run) {
      for (let at = 0; at < notices.length; at += BATCH) await putBatch(notices.slice(at, at + BATCH), run);
    },
  };
}
