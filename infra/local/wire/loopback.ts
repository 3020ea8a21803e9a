/** A server on this machine's loopback address, for a local service to speak through. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface Loopback {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Cuts what is still open. */
  close(): Promise<void>;
}

/** A handler that throws cuts the connection. */
export async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Loopback> {
  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  // A kept connection that the server drops just as it is used again would look like a fault.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
