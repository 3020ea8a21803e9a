/** Lambda's Invoke, and how every other local service calls a function: through JSON, as over the wire. */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import type { Operation, Service } from '../wire/operation.ts';
import { RawReply } from '../wire/replies.ts';

/** Runs the function of that name; rejects with what its handler threw. */
export type Invoke = (functionName: string, event: unknown, requestId: string) => Promise<unknown>;

/** To be thrown by an `Invoke` that has no function of that name. */
export class UnknownFunction extends Error {}

export interface Functions {
  readonly service: Service;
  /** Resolves when no asynchronous invocation is running any more. */
  settled(): Promise<void>;
  /** The event and the answer go through JSON, so that nothing passes that Lambda would not let pass. */
  readonly invoke: Invoke | undefined;
}

const MAX_SYNC_BYTES = 6 * 1024 * 1024;
const MAX_ASYNC_BYTES = 1024 * 1024;

/** How the router hands an Invoke request over: the path, a header and the body. */
const InvokeRequest = v.object({
  FunctionName: v.string(),
  InvocationType: v.optional(v.picklist(['RequestResponse', 'Event', 'DryRun']), 'RequestResponse'),
  Payload: v.string(),
});

export function createFunctions(env: Environment, invoke: Invoke | undefined): Functions {
  const running = new Set<Promise<unknown>>();
  const throughJson: Invoke | undefined =
    invoke &&
    (async (name, event, requestId) => {
      const result = await invoke(name, JSON.parse(JSON.stringify(event)), requestId);
      return result === undefined ? null : JSON.parse(JSON.stringify(result));
    });

  async function call(name: string, event: unknown): Promise<RawReply> {
    if (throughJson === undefined) throw unknown(name);
    const requestId = randomUUID();
    const headers = {
      'content-type': 'application/json',
      'x-amzn-requestid': requestId,
      'x-amz-executed-version': '$LATEST',
    };
    try {
      return new RawReply(200, headers, JSON.stringify(await throughJson(name, event, requestId)));
    } catch (error) {
      if (error instanceof UnknownFunction) throw unknown(name);
      return new RawReply(200, { ...headers, 'x-amz-function-error': 'Unhandled' }, JSON.stringify(thrown(error)));
    }
  }

  function unknown(name: string): AwsError {
    return new AwsError(
      'ResourceNotFoundException',
      `Function not found: ${env.arn('lambda', `function:${name}`)}`,
      404,
    );
  }

  const Invoke: Operation = {
    name: 'Invoke',
    handle(input, permit) {
      const request = v.safeParse(InvokeRequest, input);
      if (!request.success) throw new AwsError('InvalidParameterValueException', 'The invocation type is not valid.');
      const { FunctionName, InvocationType, Payload } = request.output;
      const name = plainName(FunctionName);
      permit({ action: 'lambda:InvokeFunction', resource: env.arn('lambda', `function:${name}`) });
      const event = payload(Payload, InvocationType === 'Event' ? MAX_ASYNC_BYTES : MAX_SYNC_BYTES);
      if (throughJson === undefined) throw unknown(name);
      if (InvocationType === 'RequestResponse') return call(name, event);
      if (InvocationType === 'Event') {
        const run = call(name, event).catch(() => undefined);
        running.add(run);
        run.finally(() => running.delete(run));
      }
      return new RawReply(InvocationType === 'Event' ? 202 : 204, { 'x-amzn-requestid': randomUUID() }, '');
    },
  };

  return {
    service: { name: 'lambda', protocol: 'rest-json', operations: [Invoke] },
    invoke: throughJson,
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** A name, `name:alias`, or an ARN, whole or partial. */
function plainName(functionName: string): string {
  const rest = functionName.includes('function:') ? functionName.replace(/^.*function:/, '') : functionName;
  return rest.replace(/:.*$/, '');
}

function payload(body: string, maxBytes: number): unknown {
  if (Buffer.byteLength(body) > maxBytes) {
    throw new AwsError(
      'RequestTooLargeException',
      `Request must be smaller than ${maxBytes} bytes for the InvokeFunction operation`,
      413,
    );
  }
  if (body === '') return {};
  try {
    return JSON.parse(body);
  } catch {
    throw new AwsError(
      'InvalidRequestContentException',
      'Could not parse request body into json: Could not parse payload into json',
    );
  }
}

/** What the Node.js runtime makes of an error that a handler threw. */
function thrown(error: unknown): { errorType: string; errorMessage: string; trace: readonly string[] } {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
}
