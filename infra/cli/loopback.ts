import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { networkCode } from '../../functions/adapters/aws-call.ts';
import { inputError } from './session.ts';

/**
 * Where Salesforce sends the browser back to. An app must list it, character for character, and Salesforce takes `http` for the name
 * `localhost` alone, not for 127.0.0.1. This is the one that Salesforce's own command line uses, so that many apps list it already.
 */
export const REDIRECT_URI = 'http://localhost:1717/OauthRedirect';

/** What a browser may connect to for each host of a redirect URI. For a name it takes either family, so both must be ours. */
const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  localhost: ['127.0.0.1', '::1'],
  '127.0.0.1': ['127.0.0.1'],
  '[::1]': ['::1'],
};

/** Stricter than a URL parser, which would read other spellings of the same address as these. */
const LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]):[1-9]\d{0,4}(?:\/[\w.~%/-]*)?$/;

/** @throws RefreshError `INPUT_INVALID` where it is no address of this machine */
export function loopback(redirectUri: string): URL {
  const url = LOOPBACK.test(redirectUri) ? URL.parse(redirectUri) : null;
  if (url !== null && url.port !== '') return url;
  throw inputError(
    'The redirect URI is not on this machine.',
    `Give one such as ${REDIRECT_URI}, with its port and without a query, as the app in Salesforce lists it.`,
  );
}

/** The browser, back from Salesforce and waiting for a page. */
export interface Arrival {
  readonly response: ServerResponse;
  /** Has our state once, and either `code` or `error` once. */
  readonly query: URLSearchParams;
}

/** Connections held at once. A browser needs two or three; beyond these the oldest is closed, so that nobody can keep it out. */
const MOST_CONNECTIONS = 100;
/** Milliseconds in which a request must be here as a whole. */
const PATIENCE = 10_000;

/**
 * Waits for the browser. Any web page and any program on this machine can send requests here, so all but one are refused and change nothing:
 * the first GET of the redirect URI, for the host that it names (a page whose name was made to lead here has another), with the state of this log-in.
 */
export async function listen(redirect: URL, state: string) {
  const arrived = Promise.withResolvers<Arrival>();
  const connections = new Set<Socket>();
  let isTaken = false;
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    // The other side may be gone before it has its page.
    response.on('error', () => undefined);
    const [path, ...search] = (request.url ?? '').split('?');
    const hosts = request.headersDistinct['host'] ?? [];
    if (request.method !== 'GET' || hosts.length !== 1 || hosts[0]?.toLowerCase() !== redirect.host) {
      void finish(response, 400, 'This is no request for this page.');
      return;
    }
    const query = path === redirect.pathname ? callback(new URLSearchParams(search.join('?')), state) : undefined;
    if (query === undefined || isTaken) {
      void finish(response, 404, 'Nothing is here.');
      return;
    }
    isTaken = true;
    connections.delete(request.socket);
    arrived.resolve({ response, query });
  };
  const hold = (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    const [oldest] = connections;
    if (connections.size > MOST_CONNECTIONS) oldest?.destroy();
  };
  const servers = await bind(redirect, () =>
    createServer({ headersTimeout: PATIENCE, requestTimeout: PATIENCE, connectionsCheckingInterval: 1_000 }, handle)
      .on('connection', hold)
      // Node would answer these by itself.
      .on('checkContinue', handle)
      .on('checkExpectation', handle)
      .on('clientError', (_error, socket) => refuse(socket))
      .on('connect', (_request, socket) => refuse(socket)),
  );
  return {
    arrival: arrived.promise,
    /** Cuts what is still open, but for a page that is on its way to the browser. */
    close() {
      for (const server of servers) server.close();
      for (const socket of connections) socket.destroy();
    },
  };
}

/** The query of a request that knows our state; `undefined` of any other. */
function callback(query: URLSearchParams, state: string): URLSearchParams | undefined {
  const [given = '', ...others] = query.getAll('state');
  const answers = [...query.getAll('code'), ...query.getAll('error')];
  return others.length === 0 && answers.length === 1 && answers[0] !== '' && isSame(given, state) ? query : undefined;
}

/** In a time that does not tell how much of it is right. */
function isSame(given: string, expected: string): boolean {
  const [one, other] = [given, expected].map((text) => createHash('sha256').update(text).digest());
  return one !== undefined && other !== undefined && timingSafeEqual(one, other);
}

/** All addresses that the redirect URI can lead to, or none: on one that another program holds, it would receive the code. */
async function bind(redirect: URL, create: () => Server): Promise<Server[]> {
  const servers: Server[] = [];
  for (const host of ADDRESSES[redirect.hostname] ?? []) {
    const server = create();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen({ host, port: Number(redirect.port), ipv6Only: true }, resolve);
      });
      servers.push(server);
    } catch (error) {
      // A machine without this family: nobody can listen there.
      if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(networkCode(error) ?? '') && redirect.hostname === 'localhost')
        continue;
      for (const bound of servers) bound.close();
      throw cannotListen(host, redirect);
    }
  }
  if (servers.length === 0) throw cannotListen('any loopback address', redirect);
  return servers;
}

function cannotListen(host: string, { port }: URL) {
  return inputError(
    `Port ${port} of ${host} cannot be listened on: another program holds it, or may receive what is meant for us.`,
    'Close that program, or give another --redirect-uri, which the app in Salesforce must list as well.',
  );
}

/** No referrer and no cache: the address holds a code, spent by now. Nothing is loaded or run, and no frame may show it. */
const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  connection: 'close',
} as const;

/** The page that a browser ends on, with words of ours alone. Resolves as soon as it is sent, or nobody is there to read it. */
export async function finish(response: ServerResponse, status: number, words: string): Promise<void> {
  response.writeHead(status, HEADERS).end(`<!doctype html><title>appflow-token-refresher</title><p>${words}</p>`);
  await finished(response).catch(() => undefined);
}

/** What is no HTTP, or asks for a tunnel. */
function refuse(socket: Duplex): void {
  const headers = Object.entries({ ...HEADERS, 'content-length': '0' }).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => undefined);
  socket.end(`HTTP/1.1 400 Bad Request\r\n${headers.join('\r\n')}\r\n\r\n`, () => socket.destroy());
}
