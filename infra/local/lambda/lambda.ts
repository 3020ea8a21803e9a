/** Lambda's Invoke, and how every other local service calls a function: through JSON, as over the wire. */
import * as v from 'valibot';
import type { Environment, Service } from '../wire/operation.ts';
import { AwsError, RawReply } from '../wire/replies.ts';

/** Runs the function of that name; rejects with what its handler threw. */
export type Invoke = (functionName: string, event: unknown) => Promise<unknown>;

/** To be thrown by an `Invoke` that has no function of that name. */
export class UnknownFunction extends Error {}

const MAX_BYTES = 6 * 1024 * 1024;

/** How the router hands an Invoke request over: the path, a header and the body. */
const InvokeRequest = v.object({
  FunctionName: v.string(),
  InvocationType: v.optional(v.literal('RequestResponse')),
  Payload: v.string(),
});

export function createFunctions(env: Environment, run: Invoke) {
  /** The event and the answer go through JSON, so that nothing passes that Lambda would not let pass. */
  const invoke: Invoke = async (name, event) =>
    JSON.parse(JSON.stringify((await run(name, JSON.parse(JSON.stringify(event)))) ?? null));

  async function serve(input: unknown): Promise<RawReply> {
    const request = v.safeParse(InvokeRequest, input);
    if (!request.success) {
      throw new AwsError('InvalidParameterValueException', 'This stand-in invokes functions by RequestResponse alone.');
    }
    const { FunctionName, Payload } = request.output;
    // A name, `name:alias`, or an ARN, whole or partial.
    const name = FunctionName.replace(/^.*function:/, '').replace(/:.*$/, '');
    const arn = env.arn('lambda', `function:${name}`);
    env.access.check({ action: 'lambda:InvokeFunction', resource: arn });
    const event = eventOf(Payload);
    const headers = { 'content-type': 'application/json', 'x-amz-executed-version': '$LATEST' };
    try {
      return new RawReply(200, headers, JSON.stringify(await invoke(name, event)));
    } catch (error) {
      if (error instanceof UnknownFunction) {
        throw new AwsError('ResourceNotFoundException', `Function not found: ${arn}`, 404);
      }
      return new RawReply(200, { ...headers, 'x-amz-function-error': 'Unhandled' }, JSON.stringify(thrown(error)));
    }
  }

  const service: Service = { name: 'lambda', protocol: 'rest-json', operations: new Map([['Invoke', serve]]) };
  return { service, invoke };
}

function eventOf(body: string): unknown {
  if (Buffer.byteLength(body) > MAX_BYTES) {
    const message = `Request must be smaller than ${MAX_BYTES} bytes for the InvokeFunction operation`;
    throw new AwsError('RequestTooLargeException', message, 413);
  }
  try {
    return body === '' ? {} : JSON.parse(body);
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
