import type { SQSClient } from '@aws-sdk/client-sqs';
import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import type { Envelope, Queue } from '../core/ports.ts';
import { withRetries } from '../core/retry.ts';
import type { Run } from '../core/run.ts';
import { enumerated } from '../core/wording.ts';
import { codeOf, list, readable, text } from './aws-answer.ts';
import { type AwsCall, awsErrorKind, isDenial, translateAwsError } from './aws-call.ts';

/** The most messages that SendMessageBatch takes. */
const BATCH = 10;
/** Batches under way at once. */
const AT_ONCE = 5;

/**
 * The FIFO queue between `dispatch` and `refresh`. A message may be sent twice: its deduplication id makes that one.
 *
 * @param load makes the client; asked only by `dispatch`, since loading it costs start-up time
 * @param queueUrl empty for programs that send nothing
 */
export function queueAdapter(load: () => Promise<SQSClient>, queueUrl: string): Queue {
  const name = queueUrl.slice(queueUrl.lastIndexOf('/') + 1);
  const call: AwsCall = {
    action: 'sqs:SendMessage',
    resource: name,
    // The contract has no code of its own for the queue; what cannot be sent now is sent by the next tick.
    unavailable: 'APPFLOW_UNAVAILABLE',
    meanings: {
      QueueDoesNotExist: (cause) =>
        new RefreshError(
          'SETTINGS_INVALID',
          'QUEUE_URL names no queue.',
          `Set QUEUE_URL to the URL of the FIFO queue; ${name} does not exist in this Region.`,
          cause,
        ),
    },
  };

  async function sendBatch(envelopes: readonly Envelope[], run: Run): Promise<number> {
    const { SendMessageBatchCommand } = await import('@aws-sdk/client-sqs');
    const client = await load();
    let rest = envelopes;
    const attempt = async () => {
      const Entries = rest.map(({ group, deduplication, message }, index) => ({
        Id: String(index),
        MessageGroupId: group,
        MessageDeduplicationId: deduplication,
        MessageBody: JSON.stringify(message),
      }));
      const command = new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries });
      const answer = await client.send(command, { abortSignal: run.signal });
      const { Successful, Failed } = readable(Answer, answer, call);
      // Only what SQS says it took counts as taken: what it is sent twice it takes once.
      const taken = new Set(Successful.map(({ Id }) => Id));
      rest = rest.filter((_, index) => !taken.has(String(index)));
      if (rest.length > 0) throw new NotTaken(Failed);
    };
    try {
      await withRetries(run, attempt, (error) =>
        error instanceof NotTaken ? error.mayPass : awsErrorKind(error) === 'transient',
      );
    } catch (error) {
      if (error instanceof NotTaken && rest.length < envelopes.length) return envelopes.length - rest.length;
      throw error instanceof NotTaken ? error.translated(call) : translateAwsError(error, call, run);
    }
    return envelopes.length;
  }

  return {
    async send(envelopes, run) {
      const batches = Array.from({ length: Math.ceil(envelopes.length / BATCH) }, (_, n) =>
        envelopes.slice(n * BATCH, (n + 1) * BATCH),
      );
      let sent = 0;
      let refusal: unknown;
      for (let at = 0; at < batches.length; at += AT_ONCE) {
        for (const result of await Promise.allSettled(
          batches.slice(at, at + AT_ONCE).map((batch) => sendBatch(batch, run)),
        )) {
          if (result.status === 'fulfilled') sent += result.value;
          else refusal ??= result.reason;
        }
      }
      // What was not sent is due still, and the caller's count says so; where nothing was sent, the reason is what matters.
      if (sent === 0 && refusal !== undefined) throw refusal;
      return sent;
    },
  };
}

const Failure = v.object({ Id: text, Code: text, SenderFault: v.nullish(v.boolean()) });
const Answer = v.object({ Successful: list(v.object({ Id: text })), Failed: list(Failure) });

/** SQS answered, but did not take some entries. Its codes are shown where they look like codes; its messages are not repeated. */
class NotTaken extends Error {
  readonly #codes: readonly string[];
  /** Whether SQS itself is at fault, not what was sent or who sent it. */
  readonly mayPass: boolean;

  constructor(failed: readonly v.InferOutput<typeof Failure>[]) {
    super('SQS did not take all messages');
    this.#codes = [...new Set(failed.map(({ Code }) => codeOf(Code)))];
    this.mayPass = failed.every(({ SenderFault }) => SenderFault !== true);
  }

  translated({ action, resource, unavailable }: AwsCall): RefreshError {
    const codes = enumerated(this.#codes) || 'no reason given';
    const isDenied = this.#codes.some(isDenial);
    return new RefreshError(
      isDenied ? 'ACCESS_DENIED' : unavailable,
      `${action} on ${resource} took no message (${codes}).`,
      `See whether the queue ${resource} and its KMS key are as they were deployed, and whether the role of dispatch may use both.`,
      this,
    );
  }
}
