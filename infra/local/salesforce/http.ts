/** The HTTP side: bodies, parameters, the `Date` header, and what a test wants to see go wrong. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { listen } from '../wire/loopback.ts';
import type { Call, Fault, Intercept } from '../wire/traffic.ts';
import { page, Refused, type Reply } from './replies.ts';

// All of Salesforce's OAuth errors are of more than one word.
const OAUTH_ERROR = /^[a-z]+(_[a-z]+)+$/;

export interface Incoming {
  readonly method: string;
  readonly path: string;
  /** Of the query, or of a form that was posted; empty where the body is none. */
  readonly parameters: URLSearchParams;
  readonly authorization: string | undefined;
  /** Which of the server's names was asked: without it nobody could tell a login host from a My Domain. */
  readonly hostname: string;
}

export interface Route {
  readonly operation: string;
  readonly input: unknown;
  /** Two requests with the same key may not be inside at once; the second is refused. */
  readonly exclusive?: string | undefined;
  apply(): Reply | Promise<Reply>;
}

export async function serve(
  intercept: Intercept | undefined,
  now: () => number,
  route: (incoming: Incoming) => Route | undefined,
) {
  const calls: Call[] = [];
  const inside = new Set<string>();

  async function answer(incoming: Incoming): Promise<Reply | Fault> {
    const found = route(incoming);
    if (!found) return page(404, 'URL No Longer Exists');
    const call: Call = { service: 'salesforce', operation: found.operation, input: found.input };
    calls.push(call);
    // A request is inside from its arrival until it was applied: a test that makes one wait `before` has two overlap.
    const key = found.exclusive;
    const overlaps = key !== undefined && inside.has(key);
    if (key !== undefined && !overlaps) inside.add(key);
    let reply: Reply;
    try {
      const fault = await intercept?.(call, 'before');
      if (fault) return fault;
      if (overlaps) throw new Refused('ALREADY_PROCESSING');
      reply = await found.apply();
    } catch (error) {
      reply = error instanceof Refused ? error.reply : page(500, 'Internal Server Error');
    } finally {
      if (key !== undefined && !overlaps) inside.delete(key);
    }
    return (await intercept?.(call, 'after')) ?? reply;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('date', new Date(now()).toUTCString());
    const outcome = await answer(await read(request));
    if (outcome === 'drop') {
      request.socket.destroy();
      return;
    }
    const { status, body, headers } = 'code' in outcome ? replyToFault(outcome) : outcome;
    const [type, text] = typeof body === 'string' ? ['text/plain', body] : ['application/json', JSON.stringify(body)];
    response.writeHead(status, { 'content-type': `${type};charset=UTF-8`, 'cache-control': 'no-store', ...headers });
    response.end(text);
  }

  return { ...(await listen(handle)), calls };
}

async function read(request: IncomingMessage): Promise<Incoming> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { pathname: path, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
  const isForm = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers['content-type'] ?? '');
  const form = new URLSearchParams(isForm ? Buffer.concat(chunks).toString('utf8') : '');
  const { method = 'GET' } = request;
  const { authorization, host = '' } = request.headers;
  const hostname = host.replace(/:\d+$/, '').toLowerCase();
  return { method, path, hostname, parameters: method === 'GET' ? searchParams : form, authorization };
}

export function mustPost({ method, parameters }: Incoming): void {
  if (method !== 'POST') throw new Refused('METHOD');
  rejectDuplicates(parameters);
}

export function rejectDuplicates(parameters: URLSearchParams): void {
  if (new Set(parameters.keys()).size !== parameters.size) throw new Refused('DUPLICATE');
}

export function required({ parameters }: Incoming, name: string): string {
  const value = parameters.get(name);
  if (value === null || value === '') throw new Refused('MISSING');
  return value;
}

/** A fault whose code is no OAuth error comes as Salesforce's edge would send it: as HTML (`{ status: 503, code: 'html' }`). */
function replyToFault({ status, code, message }: Exclude<Fault, 'drop'>): Reply {
  if (!OAUTH_ERROR.test(code)) return page(status, message ?? code);
  return { status, body: { error: code, error_description: message } };
}
