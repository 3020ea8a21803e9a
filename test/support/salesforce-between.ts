import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  readonly headers?: IncomingHttpHeaders | Record<string, string>;
  readonly body: string | Buffer;
}

/** Asked once a request has been answered, with its path and query; what it gives goes out instead. */
export type Change = (path: string, answer: Answer, parameters: URLSearchParams) => Answer | undefined;

/** A login host before the local Salesforce that changes its answers. */
export async function salesforceBetween(target: string, change: Change) {
  const asked: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const body = await text(incoming);
    const { pathname, searchParams } = new URL(incoming.url ?? '/', target);
    asked.push(pathname);
    const { host: _ours, ...headers } = incoming.headers;
    const upstream = request(target + (incoming.url ?? ''), { method: incoming.method, headers }, async (reply) => {
      const given = { status: reply.statusCode ?? 0, headers: reply.headers, body: await text(reply) };
      const parameters = body === '' ? searchParams : new URLSearchParams(body);
      const { status, headers: kept = {}, body: told } = change(pathname, given, parameters) ?? given;
      const { 'content-length': _length, 'transfer-encoding': _encoding, ...sent } = kept;
      outgoing.writeHead(status, sent).end(told);
    });
    upstream.on('error', () => outgoing.destroy()).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return {
    url: `http://127.0.0.1:${address.port}`,
    /** The paths of all requests so far. */
    asked,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** An answer of the token endpoint in which members are others; those that are undefined are gone. */
export function withMembers(answer: Answer, members: Record<string, unknown>): Answer {
  return { ...answer, body: JSON.stringify({ ...JSON.parse(String(answer.body)), ...members }) };
}

/** A JWT as an access token is one, unsigned: nobody here verifies it. */
export function jwtWith(claims: unknown, header: unknown = { alg: 'RS256', typ: 'JWT', tnk: 'core/prod' }): string {
  const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${segment(header)}.${segment(claims)}.c2lnbmF0dXJl`;
}
