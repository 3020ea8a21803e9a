import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { salesforceAdapter } from '../../functions/adapters/salesforce.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { fakeRun } from '../support/rules.ts';
import { damaged, edited, MARKS, markedSecrets, oddText } from './inputs.ts';
import { type Said, target } from './target.ts';

const [MARK] = MARKS;

interface RawReply {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  readonly encoding: 'plain' | 'chunked' | 'gzip' | 'false gzip' | 'too short' | 'too long' | 'none';
  /** Pieces in which the bytes are written. */
  readonly pieces: number;
}

interface Input {
  readonly reply: RawReply;
  readonly ask: keyof typeof ASKS;
}

type Endpoint = ReturnType<typeof salesforceAdapter.tokenEndpoint>;
type Run = ReturnType<typeof fakeRun>;
const CLIENT = { clientId: 'app', clientSecret: new Redacted(MARK) };
const ASKS = {
  assertion: (endpoint: Endpoint, run: Run): Promise<unknown> =>
    endpoint.exchangeAssertion(async () => new Redacted(`${MARK}.${MARK}.${MARK}`), run),
  refresh: (endpoint: Endpoint, run: Run) => endpoint.exchangeRefreshToken(CLIENT, new Redacted(MARK), run),
  code: (endpoint: Endpoint, run: Run) =>
    endpoint.exchangeCode(CLIENT, new Redacted(MARK), 'https://example.com/cb', run),
  client: (endpoint: Endpoint, run: Run) => endpoint.exchangeClientCredentials(CLIENT, run),
  expiry: (endpoint: Endpoint, run: Run) => endpoint.expiryOf(CLIENT, new Redacted(MARK), run),
  active: (endpoint: Endpoint, run: Run) => endpoint.isActive(CLIENT, new Redacted(MARK), run),
  userinfo: (endpoint: Endpoint, run: Run) => endpoint.tryAccessToken(new Redacted(MARK), run),
};

/** A server that writes the bytes it is told to, right or wrong, and cuts the connection. */
function rawServer(reply: () => RawReply): Promise<{ server: Server; url: string; count: () => number }> {
  let requests = 0;
  const server = createServer((socket) => {
    let request = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      request += chunk.toString('latin1');
      const head = request.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(request)?.[1] ?? 0);
      if (head < 0 || request.length < head + 4 + length) return;
      request = '';
      requests += 1;
      const bytes = bytesOf(reply());
      const size = Math.ceil(bytes.length / Math.max(1, reply().pieces));
      for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size));
      socket.end();
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('The server has no port.');
      resolve({ server, url: `http://127.0.0.1:${address.port}`, count: () => requests });
    });
  });
}

function bytesOf({ status, headers, body, encoding }: RawReply): Buffer {
  const plain = Buffer.from(body);
  const packed = encoding === 'gzip' ? gzipSync(plain) : plain;
  const extra =
    encoding === 'chunked'
      ? ['transfer-encoding: chunked']
      : encoding === 'none'
        ? []
        : [
            `content-length: ${Math.max(0, packed.length + (encoding === 'too short' ? 7 : encoding === 'too long' ? -3 : 0))}`,
          ];
  if (encoding === 'gzip' || encoding === 'false gzip') extra.push('content-encoding: gzip');
  const head = [`HTTP/1.1 ${status} X`, 'connection: close', ...headers, ...extra, '', ''].join('\r\n');
  const sent =
    encoding === 'chunked'
      ? Buffer.concat([Buffer.from(`${packed.length.toString(16)}\r\n`), packed, Buffer.from('\r\n0\r\n\r\n')])
      : packed;
  return Buffer.concat([Buffer.from(head), status === 204 || status === 304 ? Buffer.alloc(0) : sent]);
}

const TOKEN = {
  access_token: MARK,
  refresh_token: MARK,
  instance_url: 'https://x.my.salesforce.com',
  id: 'https://x/id',
  token_type: 'Bearer',
  issued_at: '1764000000000',
  signature: MARK,
  expires_in: 7_200,
  active: true,
  exp: 1_800_000_000,
};
const REFUSAL = { error: 'invalid_grant', error_description: 'expired access/refresh token' };

/** The token endpoint's answers, through the real adapter over HTTP. */
export const TOKEN_REPLY = target<Input>({
  name: 'token-reply',
  runs: 40_000,
  chunk: 2_000,
  mostMs: 8_000,
  async open() {
    let next: RawReply = { status: 200, headers: [], body: '', encoding: 'plain', pieces: 1 };
    const { server, url } = await rawServer(() => next);
    const elsewhere = await rawServer(() => ({ ...next, status: 200 }));
    const json = fc.oneof(edited(TOKEN, []), edited(REFUSAL, [])).map((value) => JSON.stringify(value) ?? '');
    const html = `<html><body>${MARK}</body></html>`;
    const header = fc.oneof(
      fc.constantFrom(
        'content-type: application/json;charset=UTF-8',
        'content-type: text/html',
        'content-type: application/json; charset=utf-16',
        `location: ${elsewhere.url}/services/oauth2/token`,
        'date: Tue, 24 Nov 2026 03:00:00 GMT',
        'date: yesterday',
        'date: Fri, 01 Jan 9999 00:00:00 GMT',
        'retry-after: 120',
        `www-authenticate: Bearer error="${MARK}"`,
        'dpop-nonce: x',
        `set-cookie: sid=${MARK}`,
      ),
      fc.string({ unit: 'grapheme-ascii', maxLength: 12 }).map((text) => `x-odd: ${text.replace(/[^ -~]/g, '')}`),
    );
    const reply = fc.record<RawReply>({
      status: fc.oneof(
        { weight: 3, arbitrary: fc.constant(200) },
        { weight: 3, arbitrary: fc.constant(400) },
        { weight: 2, arbitrary: fc.constantFrom(201, 204, 301, 302, 307, 308, 401, 403, 404, 429, 500, 502, 503, 504) },
      ),
      headers: fc.array(header, { maxLength: 4 }),
      body: fc.oneof(
        { weight: 100, arbitrary: json },
        { weight: 40, arbitrary: damaged(json) },
        { weight: 20, arbitrary: fc.constantFrom('', html, 'null', '[]', '"x"', '\ufeff{}') },
        { weight: 20, arbitrary: oddText() },
        { weight: 1, arbitrary: json.map((text) => text.padEnd(400_000, ' ')) },
      ),
      encoding: fc.oneof(
        { weight: 6, arbitrary: fc.constant('plain' as const) },
        {
          weight: 3,
          arbitrary: fc.constantFrom(
            'chunked' as const,
            'gzip' as const,
            'false gzip' as const,
            'too short' as const,
            'too long' as const,
            'none' as const,
          ),
        },
      ),
      pieces: fc.integer({ min: 1, max: 5 }),
    });
    const asks = Object.keys(ASKS).filter((name): name is keyof typeof ASKS => Object.hasOwn(ASKS, name));
    return {
      inputs: fc.record({ reply, ask: fc.constantFrom(...asks) }),
      secrets: markedSecrets(),
      async feed({ reply: told, ask }): Promise<Said> {
        next = told;
        const run = fakeRun();
        const warned = () => run.warnings.map(({ message }) => message);
        const before = elsewhere.count();
        try {
          const endpoint = salesforceAdapter.tokenEndpoint({ name: 'sf', loginUrl: url }, 'p/sf');
          const got = await ASKS[ask](endpoint, run);
          if (got instanceof Date && Number.isNaN(got.getTime()))
            return { thrown: [new Error('The end of a token is no date.')] };
          return { texts: [inspect(got, { depth: 10, showHidden: true }), JSON.stringify(got) ?? '', ...warned()] };
        } catch (error) {
          const wandered = elsewhere.count() > before ? [new Error('A redirect was followed.')] : [];
          if (error instanceof RefreshError && run.waits.length > 8)
            return { thrown: [new Error('It was tried too often.')] };
          return { thrown: [error, ...wandered], texts: warned() };
        }
      },
      async close() {
        server.close();
        elsewhere.server.close();
      },
    };
  },
});
