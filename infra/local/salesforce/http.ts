import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Loopback, listen } from '../wire/loopback.ts';
import type { Call, Fault, LocalServiceOptions } from '../wire/traffic.ts';
import type { Reply } from './replies.ts';
import { page, Refused } from './replies.ts';

const BODY_LIMIT_BYTES = 32 * 1024;
// All of Salesforce's OAuth errors are of more than one word.
const OAUTH_ERROR = /^[a-z]+(_[a-z]+)+$/;

export interface Incoming {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Empty unless the body is a form. */
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
}

export interface Route {
  readonly operation: string;
  readonly input: unknown;
  /** Two requests with the same key may not be inside at once; the second is refused. */
  readonly exclusive?: string | undefined;
  apply(): Promise<Reply>;
}

interface HttpSide extends Loopback {
  readonly calls: Call[];
}

/** The HTTP side: bodies, the `Date` header, and what a test wants to see go wrong. */
export async function serve(
  options: Pick<LocalServiceOptions, 'intercept' | 'port'>,
  now: () => number,
  route: (incoming: Incoming) => Route | undefined,
): Promise<HttpSide> {
  const calls: Call[] = [];
  const inside = new Set<string>();

  async function answer(incoming: Incoming): Promise<Reply | Fault> {
    const found = route(incoming);
    if (!found) return page(404, 'URL No Longer Exists', '');
    const call: Call = { service: 'salesforce', operation: found.operation, input: found.input };
    calls.push(call);
    // A request is inside from its arrival until it was applied: a test that makes one wait `before` has two overlap.
    const key = found.exclusive;
    const overlaps = key !== undefined && inside.has(key);
    if (key !== undefined && !overlaps) inside.add(key);
    let reply: Reply;
    try {
      const fault = await options.intercept?.(call, 'before');
      if (fault) return fault;
      if (overlaps) throw new Refused('ALREADY_PROCESSING');
      reply = await found.apply();
    } catch (error) {
      reply = replyToError(error);
    } finally {
      if (key !== undefined && !overlaps) inside.delete(key);
    }
    return (await options.intercept?.(call, 'after')) ?? reply;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('date', new Date(now()).toUTCString());
    const outcome = await read(request).then(answer).catch(replyToError);
    if (outcome === 'drop') {
      request.socket.destroy();
      return;
    }
    const reply = 'code' in outcome ? replyToFault(outcome) : outcome;
    const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
    const contentType = typeof reply.body === 'string' ? 'text/plain;charset=UTF-8' : 'application/json;charset=UTF-8';
    response.writeHead(reply.status, { 'content-type': contentType, 'cache-control': 'no-store', ...reply.headers });
    response.end(text);
  }

  const { url, close } = await listen(options.port, handle);
  return { url, close, calls };
}

async function read(request: IncomingMessage): Promise<Incoming> {
  const chunks: Buffer[] = [];
  let length = 0;
  // An oversized body is read to its end all the same, so that the caller sees the answer and no broken pipe.
  for await (const chunk of request) {
    length += chunk.length;
    if (length <= BODY_LIMIT_BYTES) chunks.push(chunk);
  }
  if (length > BODY_LIMIT_BYTES) throw new Refused('TOO_LARGE', 413);
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const isForm = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers['content-type'] ?? '');
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    form: new URLSearchParams(isForm ? Buffer.concat(chunks).toString('utf8') : ''),
    authorization: request.headers.authorization,
  };
}

function replyToError(error: unknown): Reply {
  if (error instanceof Refused) return error.reply();
  return page(500, 'Internal Server Error', '');
}

/**
 * A fault whose code is no OAuth error comes as Salesforce's edge would send it: as HTML (`{ status: 503, code: 'html' }`).
 */
function replyToFault(fault: Exclude<Fault, 'drop'>): Reply {
  if (!OAUTH_ERROR.test(fault.code)) return page(fault.status, fault.message ?? fault.code, '');
  const description = fault.message === undefined ? {} : { error_description: fault.message };
  return { status: fault.status, body: { error: fault.code, ...description } };
}
