import { createServer, type Server, type ServerResponse } from 'node:http';
import { RefreshError } from '../../functions/core/errors.ts';
import { inputError } from './session.ts';

/**
 * Where Salesforce sends the browser back to. An app must list it, character for character, and Salesforce takes `http` for the name
 * `localhost` alone, not for 127.0.0.1. This is the one that Salesforce's own command line uses, so that many apps list it already.
 */
export const REDIRECT_URI = 'http://localhost:1717/OauthRedirect';

/** @throws RefreshError `INPUT_INVALID` where it is no address of this machine */
export function loopback(redirectUri: string): URL {
  const url = URL.parse(redirectUri);
  if (url?.protocol === 'http:' && ['localhost', '127.0.0.1'].includes(url.hostname) && url.port !== '') return url;
  throw inputError(
    'The redirect URI is not on this machine.',
    `Give one such as ${REDIRECT_URI}, with its port, as the app in Salesforce lists it.`,
  );
}

/** The browser, back from Salesforce and waiting for a page. */
export interface Arrival {
  readonly response: ServerResponse;
  readonly callback: URLSearchParams;
}

/** Waits for the browser. Requests that do not know the state change nothing: any page could send them. */
export async function listen(
  redirect: URL,
  read: (query: URLSearchParams) => URLSearchParams | RefreshError | undefined,
) {
  const arrived = Promise.withResolvers<Arrival>();
  let isTaken = false;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', redirect);
    const callback = url.pathname === redirect.pathname && !isTaken ? read(url.searchParams) : undefined;
    isTaken ||= callback !== undefined;
    if (callback === undefined) finish(response, 404, 'Nothing is here.');
    else if (callback instanceof RefreshError) {
      finish(response, 400, 'Salesforce refused: the terminal says why.');
      arrived.reject(callback);
    } else arrived.resolve({ response, callback });
  });
  await bind(server, redirect);
  // Nobody may be waiting yet when it is refused.
  arrived.promise.catch(() => undefined);
  return {
    response: arrived.promise,
    close() {
      server.close();
      server.closeIdleConnections();
    },
  };
}

async function bind(server: Server, { hostname, port }: URL): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(Number(port), hostname, resolve);
    });
  } catch {
    throw inputError(
      `Port ${port} cannot be listened on: another program holds it.`,
      'Close it, or give another --redirect-uri, which the app in Salesforce must list as well.',
    );
  }
}

/** The page that the browser ends on. No referrer and no cache: the address holds a code, spent by now. */
export function finish(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      connection: 'close',
    })
    .end(`<!doctype html><title>appflow-token-refresher</title><p>${text}</p>`);
}
