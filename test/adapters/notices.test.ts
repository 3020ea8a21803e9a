import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import * as v from 'valibot';
import { afterEach, describe, expect, it } from 'vitest';
import { noticesAdapter } from '../../functions/adapters/notices.ts';
import type { Notice } from '../../functions/core/ports.ts';
import { fakeRun, rejectionOf } from '../support/rules.ts';

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

const Request = v.object({ Entries: v.array(v.object({ Detail: v.string() })) });

/**
 * A bus that takes no more than it is told.
 *
 * @param codes of each request in turn, what it answers to each connection's entry: a code, or nothing where it takes it
 */
async function bus(...codes: readonly Readonly<Record<string, string>>[]) {
  const asked: string[][] = [];
  const server = createServer(async (request, response) => {
    const { Entries } = v.parse(Request, JSON.parse(Buffer.concat(await request.toArray()).toString()));
    const names = Entries.map(
      ({ Detail }) => v.parse(v.object({ connection: v.string() }), JSON.parse(Detail)).connection,
    );
    const answers = codes[Math.min(asked.length, codes.length - 1)] ?? {};
    asked.push(names);
    const entries = names.map((name) =>
      answers[name] === undefined ? { EventId: name } : { ErrorCode: answers[name] },
    );
    response.setHeader('content-type', 'application/x-amz-json-1.1').end(JSON.stringify({ Entries: entries }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new EventBridgeClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials,
    maxAttempts: 1,
  });
  open.push(() => {
    client.destroy();
    server.close();
  });
  const adapter = noticesAdapter(async () => client);
  const put = (...connections: string[]) =>
    adapter.put(
      connections.map(
        (connection): Notice => ({
          kind: 'Connection Failed',
          detail: { connection, connectorProfileName: 'sf', since: '2026-11-24T03:00:00.000Z', summary: 'x' },
        }),
      ),
      fakeRun(),
    );
  return { asked, put };
}

describe('notices that the bus does not take, although it answers 200', () => {
  it.each(['ThrottlingException', 'InternalFailure', 'InternalException'])(
    'are sent again after %s, and those that it took are not',
    async (code) => {
      const { asked, put } = await bus({ a: 'MalformedDetail', b: code }, {});
      await put('a', 'b', 'c');
      expect(asked).toEqual([
        ['a', 'b', 'c'],
        ['a', 'b'],
      ]);
    },
  );

  it('are an error where that goes on, and where it would not help', async () => {
    const passing = await bus({ a: 'InternalFailure' });
    expect(await rejectionOf(passing.put('a'))).toMatchObject({
      code: 'APPFLOW_UNAVAILABLE',
      message: 'events:PutEvents on event-bus/default failed for now (InternalFailure).',
    });
    expect(passing.asked).toHaveLength(5);
    const refused = await bus({ a: 'NotAuthorizedForSourceException' });
    expect(await rejectionOf(refused.put('a', 'b'))).toMatchObject({
      code: 'APPFLOW_UNAVAILABLE',
      message: expect.stringContaining('NotAuthorizedForSourceException'),
    });
    expect(refused.asked).toHaveLength(1);
    const denied = await bus({ a: 'AccessDeniedException' });
    expect(await rejectionOf(denied.put('a'))).toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('do not keep the next ten from being sent', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `c${n}`);
    const { asked, put } = await bus({ c0: 'MalformedDetail' });
    expect(await rejectionOf(put(...names))).toMatchObject({ message: expect.stringContaining('MalformedDetail') });
    expect(asked.map((some) => some.length)).toEqual([10, 2]);
  });
});
