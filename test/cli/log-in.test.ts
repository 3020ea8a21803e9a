import { once } from 'node:events';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { loopback } from '../../infra/cli/loopback.ts';
import { CODE_APP, CODE_SECRET, USER } from '../support/world.ts';
import { browse, directory, Estate, freePort, PATIENCE, type Said } from './estate.ts';

const PATH = '/OauthRedirect';
const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const AUTHORIZE = /http:\/\/127\.0\.0\.1:\d+\/services\/oauth2\/authorize\S+/;

/** The arguments of a log-in that waits at a port of its own. */
function logInAt(port: number, host = 'localhost'): string[] {
  return ['authorize', 'sf-eu', '--redirect-uri', `http://${host}:${port}${PATH}`, '--timeout', '40'];
}

/** What a stranger cannot know: the state of the log-in that waits. */
async function stateOf(said: Said): Promise<string> {
  const url = new URL(await said(AUTHORIZE));
  await said(/Waiting/);
  return url.searchParams.get('state') ?? '';
}

/** Sends bytes as they are, and reads until the other side closes. */
async function raw(port: number, bytes: string | Buffer, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host });
  socket.on('error', () => undefined);
  socket.write(bytes);
  return text(socket).catch(() => '');
}

async function open(port: number, bytes: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.resume().write(bytes);
  return socket;
}

describe.concurrent('a log-in', { timeout: PATIENCE }, () => {
  it('goes on whatever a web page or another program sends, and ends by its own callback', async () => {
    await using estate = await Estate.open();
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const port = freePort();
    const answers: [string, string][] = [];
    const { code, stdout } = await estate.run([...logInAt(port), '--user', USER], {
      while: async (said) => {
        const state = await stateOf(said);
        const right = `${PATH}?code=stolen&state=${state}`;
        const to = (line: string, headers = `Host: localhost:${port}`, body = '') =>
          `${line} HTTP/1.1\r\n${headers}\r\n\r\n${body}`;
        const get = (target: string) => to(`GET ${target}`);
        for (const request of [
          get('//'),
          get('/'),
          get('//OauthRedirect?code=x&state=x'),
          get('/%'),
          get('/\\'),
          get('*'),
          get('http://['),
          get(`http://localhost:${port}${right}`),
          get(PATH),
          get(`${PATH}?code=x`),
          get(`${PATH}?code=x&state=`),
          get(`${PATH}?code=x&state=wrong`),
          get(`${PATH}?code=x&state=${state}x`),
          get(`${PATH}?code=x&state=${state.slice(1)}`),
          get(`${PATH}?code=x&state=${state}&state=${state}`),
          get(`${PATH}?code=x&state=wrong&state=${state}`),
          get(`${PATH}?code=x&code=y&state=${state}`),
          get(`${PATH}?code=x&error=access_denied&state=${state}`),
          get(`${PATH}?code=&state=${state}`),
          get(`${PATH}?state=${state}`),
          get(`${PATH}?error=access_denied`),
          get(`${PATH}?error=access_denied&state=wrong`),
          get(`${PATH}?error=%E0%A4%A&state=%E0%A4%A`),
          get(`${PATH}#?code=x&state=${state}`),
          get(`/x/..${right}`),
          get(`/.${right}`),
          get(`${right.replace(PATH, `${PATH}/`)}`),
          get(`${right.replace(PATH, PATH.toLowerCase())}`),
          ...['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'].map((method) => to(`${method} ${right}`)),
          to(`POST ${right}`, `Host: localhost:${port}\r\nContent-Length: 5000000`, 'x'.repeat(5_000_000)),
          to(`CONNECT localhost:${port}`),
          to(`GET ${right}`, `Host: rebound.example:${port}`),
          to(`GET ${right}`, `Host: 127.0.0.1:${port}`),
          to(`GET ${right}`, 'Host: localhost'),
          to(`GET ${right}`, `Host: localhost:${port}\r\nHost: rebound.example`),
          to(`GET ${right}`, 'X: y'),
          `GET ${right} HTTP/1.0\r\n\r\n`,
          to(`GET ${right}`, `Host: localhost:${port}\r\nX: ${'x'.repeat(100_000)}`),
          get(`${right}&x=${'x'.repeat(100_000)}`),
          to(`GET ${right}`, `Host: localhost:${port}\r\nTransfer-Encoding: chunked\r\nContent-Length: 3`, 'abc'),
          to(`GET ${PATH}`, `Host: localhost:${port}\r\nExpect: 100-continue`),
          to(`GET ${PATH}`, `Host: localhost:${port}\r\nExpect: something`),
          'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
          Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]),
          '\0\r\n\r\n',
        ])
          answers.push([String(request).slice(0, 120), (await raw(port, request)).slice(0, 12)]);
        expect(await browse(said)).toMatchObject({ status: 200 });
      },
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`The new refresh token of ${USER} is stored`);
    expect(estate.read('sf-eu')['refreshToken']).not.toBe(seed);
    expect(answers.length).toBeGreaterThan(45);
    for (const [request, answer] of answers) {
      // A body of megabytes may still be on its way when the answer comes, which then gets lost.
      if (request.startsWith('POST') && answer === '') continue;
      expect(answer, request).toMatch(/^HTTP\/1\.1 4(00|04|31)$/);
    }
  });

  it('is not held up by connections that say nothing, not even when it ends', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const port = freePort();
    const silent: Socket[] = [];
    let oldestEndedAt: number | undefined;
    const { code } = await estate.run([...logInAt(port), '--user', USER], {
      while: async (said) => {
        const state = await stateOf(said);
        const half = `GET ${PATH}?code=x&state=${state} HTTP/1.1\r\nHost: local`;
        for (let n = 0; n < 300; n++) {
          silent.push(await open(port, n % 2 === 0 ? '' : half));
          if (silent[0]?.closed === true) oldestEndedAt ??= n;
        }
        expect(await browse(said)).toMatchObject({ status: 200 });
      },
    });
    expect(code).toBe(0);
    // Long before its time is over, so that the browser always finds room.
    expect(oldestEndedAt).toBeGreaterThanOrEqual(100);
    for (const socket of silent) socket.destroy();
  });

  it('takes one callback alone while the code is being exchanged', async () => {
    const asked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    await using estate = await Estate.open(async ({ operation }, phase) => {
      if (operation !== 'token:authorization_code' || phase !== 'before') return undefined;
      asked.resolve();
      await go.promise;
      return undefined;
    });
    await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const port = freePort();
    const { code } = await estate.run([...logInAt(port), '--user', USER], {
      while: async (said) => {
        const state = await stateOf(said);
        const browsing = browse(said);
        await asked.promise;
        for (const answer of ['code=x', 'error=access_denied'])
          expect(
            await raw(port, `GET ${PATH}?${answer}&state=${state} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`),
          ).toMatch(/^HTTP\/1\.1 404/);
        go.resolve();
        expect(await browsing).toMatchObject({ status: 200 });
      },
    });
    expect(code).toBe(0);
  });

  it('answers with pages that hold nothing of the request, load nothing and are kept nowhere', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const port = freePort();
    const pages: string[] = [];
    await estate.run([...logInAt(port), '--user', USER], {
      while: async (said) => {
        const state = await stateOf(said);
        for (const target of ['/<script>', `${PATH}?error=%3Cscript%3E&state=x`, '//'])
          pages.push(await raw(port, `GET ${target} HTTP/1.1\r\nHost: localhost:${port}\r\nX: <script>\r\n\r\n`));
        pages.push(await raw(port, '<script>\r\n\r\n'));
        pages.push(
          await raw(
            port,
            `GET ${PATH}?error=%3Cscript%3E&error_description=%3Cscript%3E&state=${state} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`,
          ),
        );
      },
    });
    expect(pages).toHaveLength(5);
    for (const page of pages) {
      expect(page).not.toContain('script');
      expect(page).toMatch(/\r\ncache-control: no-store\r\n/);
      expect(page).toMatch(/\r\ncontent-security-policy: default-src 'none'; .*frame-ancestors 'none'\r\n/);
      expect(page).toMatch(/\r\nreferrer-policy: no-referrer\r\n/);
    }
  });

  it.skipIf(!hasIPv6)('waits at both addresses of localhost, and at the one that its redirect URI names', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    for (const [host, address] of [
      ['localhost', '::1'],
      ['[::1]', '::1'],
      ['127.0.0.1', '127.0.0.1'],
    ] as const) {
      const port = freePort();
      const { code } = await estate.run([...logInAt(port, host), '--user', USER], {
        while: async (said) => {
          const url = await said(AUTHORIZE);
          await said(/Waiting/);
          const location = (await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '';
          const { search } = new URL(location);
          const answer = await raw(port, `GET ${PATH}${search} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`, address);
          expect(answer).toMatch(/^HTTP\/1\.1 200/);
        },
      });
      expect(code).toBe(0);
    }
  });

  it.skipIf(!hasIPv6)('does not begin where another program would receive the code', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    for (const host of ['::1', '127.0.0.1', '::', '0.0.0.0']) {
      const port = freePort();
      const other = createServer().listen({ port, host, ipv6Only: host.startsWith(':') });
      await once(other, 'listening');
      const { code, stderr } = await estate.run([...logInAt(port), '--user', USER]);
      other.close();
      expect(code, host).toBe(2);
      expect(stderr).toMatch(/cannot be listened on: another program holds it/);
      expect(stderr).not.toContain('authorize?');
    }
  });

  it.skipIf(process.platform !== 'linux')('shows its address to no other user of the machine', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const browser = join(directory, 'browser');
    const opened = join(directory, 'opened');
    await writeFile(
      browser,
      `#!/bin/sh\necho "$@" > '${opened}.args'; cat "$1" > '${opened}'; mv '${opened}' '${opened}.page'\n`,
    );
    await chmod(browser, 0o700);
    Object.assign(estate.env, { BROWSER: browser, TMPDIR: directory });
    const args = [...logInAt(freePort()), '--user', USER];
    const { code } = await estate.run(args, {
      terminal: true,
      while: async (said) => {
        const state = await stateOf(said);
        const page = await until(() => readFile(`${opened}.page`, 'utf8'));
        expect(page).toContain(state);
        expect(await readFile(`${opened}.args`, 'utf8')).not.toContain(state);
        await browse(said);
      },
    });
    expect(code).toBe(0);
    const interrupted = await estate.run(args, {
      terminal: true,
      while: async (said, kill) => {
        await said(/If the browser shows/);
        kill();
      },
    });
    expect(interrupted.code).toBe(130);
    const left = await readdir(directory);
    expect(left.filter((name) => name.startsWith('appflow-token-refresher-'))).toEqual([]);
  });
});

describe('a redirect URI', () => {
  it.each([
    'https://localhost:1717/x',
    'http://localhost/x',
    'http://localhost:80/x',
    'http://localhost:0/x',
    'http://localhost:99999/x',
    'http://localhost:1717@example.com:1717/x',
    'http://user@localhost:1717/x',
    'http://localhost.example.com:1717/x',
    'http://127.1:1717/x',
    'http://0.0.0.0:1717/x',
    'http://[::]:1717/x',
    'http://[::ffff:127.0.0.1]:1717/x',
    'http://2130706433:1717/x',
    'http:\\\\localhost:1717/x',
    'http://localhost:17\t17/x',
    ' http://localhost:1717/x',
    'http://localhost:1717/x?state=mine',
    'http://localhost:1717/x#fragment',
    'http://localhost:1717/\u202e',
    'x',
  ])('such as %j is refused', (uri) => {
    expect(() => loopback(uri)).toThrow('not on this machine');
  });

  it.each(['http://localhost:1717/OauthRedirect', 'http://127.0.0.1:8080', 'http://[::1]:8080/a/b'])(
    'such as %s is taken',
    (uri) => {
      expect(loopback(uri).href).toContain(uri);
    },
  );
});

describe.concurrent('the token of a log-in', { timeout: PATIENCE }, () => {
  it('is asked for by nobody where nobody can say whose it must be', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    const { code, stderr } = await estate.run(logInAt(freePort()));
    expect(code).toBe(2);
    expect(stderr).toMatch(/INPUT_INVALID: Whose token it will be cannot be asked here\.\n.*--user USERNAME/);
    estate.env['COLUMNS'] = '0';
    expect((await estate.run([...logInAt(freePort()), '--no-browser'], { terminal: true })).code).toBe(2);
    expect(estate.world.salesforce.calls).toEqual([]);
  });

  it('is stored where the person who is shown its user and host says yes', async () => {
    await using estate = await Estate.open();
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const { code, stdout, stderr } = await estate.run([...logInAt(freePort()), '--no-browser'], {
      terminal: true,
      while: async (said, _kill, type) => {
        await browse(said);
        await said(/Store it in/);
        type('y');
      },
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`The new refresh token of ${USER} is stored`);
    const { host } = new URL(estate.world.salesforce.url);
    expect(plain(stderr)).toContain(`Salesforce issued a refresh token of ${USER}, for ${host}.`);
    expect(estate.read('sf-eu')['refreshToken']).not.toBe(seed);
    expect(estate.revoked).toEqual([]);
  });

  it.each([
    ['the person says no', '\r', undefined],
    ['Ctrl-C is pressed at the question', '\u0003', undefined],
    ['a signal comes at the question', undefined, 'SIGTERM'],
    ['Ctrl-\\ is pressed elsewhere', undefined, 'SIGQUIT'],
    ['the terminal hangs up at the question', undefined, 'SIGHUP'],
    ['nobody answers any more', '', undefined],
  ] as const)('is revoked where %s', async (_when, keys, signal) => {
    await using estate = await Estate.open();
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const { code, stderr } = await estate.run([...logInAt(freePort()), '--no-browser'], {
      terminal: true,
      while: async (said, kill, type) => {
        await browse(said);
        await said(/Store it in/);
        if (keys === undefined) kill(signal);
        else type(keys);
      },
    });
    expect(code).toBe(130);
    expect(plain(stderr)).toMatch(
      /\nThe token that Salesforce had issued was revoked\.\nGiven up: nothing was stored\.\n/,
    );
    expectDead(estate, seed);
  });

  it('is revoked where the terminal is gone', async () => {
    await using estate = await Estate.open();
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const { code } = await estate.run([...logInAt(freePort()), '--no-browser'], {
      terminal: true,
      while: async (said, kill) => {
        await browse(said);
        await said(/Store it in/);
        kill('SIGUSR2');
      },
    });
    expect(code).toBe(1);
    expectDead(estate, seed);
  });

  it('is revoked where Ctrl-C came while the code was being exchanged', async () => {
    const asked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    await using estate = await Estate.open(async ({ operation }, phase) => {
      if (operation !== 'token:authorization_code' || phase !== 'after') return undefined;
      asked.resolve();
      await go.promise;
      return undefined;
    });
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const { code, stderr } = await estate.run([...logInAt(freePort()), '--user', USER], {
      while: async (said, kill) => {
        const browsing = browse(said).catch(() => undefined);
        await asked.promise;
        kill();
        // As npx does, which passes on what the terminal has told us already.
        await new Promise((resolve) => setTimeout(resolve, 20));
        kill();
        await said(/Finishing/);
        go.resolve();
        await browsing;
      },
    });
    expect(code).toBe(130);
    expect(stderr).toContain('The token that Salesforce had issued was revoked.');
    expectDead(estate, seed);
  });

  it('is revoked where it is of somebody else, whatever the case of the letters', async () => {
    await using estate = await Estate.open();
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn('other@example.com');
    const other = await estate.run([...logInAt(freePort()), '--user', 'someone@example.com'], {
      while: async (said) => expect((await browse(said)).status).toBe(400),
    });
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('other@example.com logged in, not someone@example.com.');
    expectDead(estate, seed);
    const same = await estate.run([...logInAt(freePort()), '--user', 'Other@EXAMPLE.com'], {
      while: async (said) => void (await browse(said)),
    });
    expect(same.code).toBe(0);
    expect(estate.revoked).toHaveLength(1);
  });

  it('is revoked where it cannot be stored', async () => {
    await using estate = await Estate.open();
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    estate.world.aws.access.deny([{ action: 'secretsmanager:PutSecretValue' }]);
    const denied = await estate.run([...logInAt(freePort()), '--user', USER], {
      while: async (said) => void (await browse(said)),
    });
    expect(denied.code).toBe(3);
    expect(denied.stderr).toMatch(/^The token that Salesforce had issued was revoked\.$/m);
    expectDead(estate, seed);
  });

  it('is revoked where its secret names another app by now', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const { code, stderr } = await estate.run([...logInAt(freePort()), '--user', USER], {
      while: async (said) => {
        await said(/Waiting/);
        estate.change('sf-eu', { clientId: 'another-app' });
        await browse(said);
      },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('was changed while you logged in');
    expectDead(estate, String(estate.read('sf-eu')['refreshToken']));
  });

  it('is revoked where the secret of a new connection cannot be made', async () => {
    await using estate = await Estate.open();
    estate.world.salesforce.logIn(USER);
    estate.world.aws.access.deny([{ action: 'secretsmanager:CreateSecret' }]);
    const [, , ...login] = logInAt(freePort());
    const args = ['add', 'new', '--grant', 'AUTHORIZATION_CODE', '--client-id', CODE_APP, '--client-secret-stdin'];
    const { code } = await estate.run([...args, '--login-url', estate.world.salesforce.url, ...login, '--user', USER], {
      stdin: CODE_SECRET,
      while: async (said) => void (await browse(said)),
    });
    expect(code).toBe(3);
    expect(estate.revoked).toHaveLength(1);
    expect(estate.world.salesforce.family(estate.revoked[0] ?? '')).toMatchObject({ alive: false });
  });

  it('lives on where it was stored, and only the answer was lost', async () => {
    await using estate = await Estate.open(({ operation }, phase) =>
      operation === 'PutSecretValue' && phase === 'after' ? 'drop' : undefined,
    );
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const { code } = await estate.run([...logInAt(freePort()), '--user', USER], {
      while: async (said) => void (await browse(said)),
    });
    expect(code).toBe(0);
    expect(estate.read('sf-eu')['refreshToken']).not.toBe(seed);
    expect(estate.revoked).toEqual([]);
  });

  it('is named for revocation by hand where Salesforce does not revoke it', async () => {
    await using estate = await Estate.open(({ operation }) =>
      operation === 'revoke' ? { status: 503, code: 'html' } : undefined,
    );
    await estate.code('sf-eu');
    estate.world.salesforce.logIn('other@example.com');
    const { code, stderr } = await estate.run([...logInAt(freePort()), '--user', USER], {
      while: async (said) => {
        await browse(said, (url) => url.searchParams.delete('login_hint'));
      },
    });
    expect(code).toBe(1);
    expect(stderr).toContain('could not be revoked: in Salesforce, revoke it under');
  });

  it('comes in an answer that is read up to a limit', async () => {
    await using estate = await Estate.open(({ operation }, phase) =>
      operation === 'token:authorization_code' && phase === 'before'
        ? { status: 400, code: 'invalid_grant', message: 'x'.repeat(10_000_000) }
        : undefined,
    );
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn(USER);
    const { code, stderr } = await estate.run([...logInAt(freePort()), '--user', USER], {
      while: async (said) => void (await browse(said)),
    });
    expect(code).toBe(1);
    expect(stderr).toContain('SALESFORCE_REPLY_UNREADABLE');
    expect(estate.read('sf-eu')['refreshToken']).toBe(seed);
  });
});

/** What a log-in got is dead, and what was stored before is still there. */
function expectDead(estate: Estate, seed: string): void {
  expect(estate.read('sf-eu')['refreshToken']).toBe(seed);
  const [revoked = ''] = estate.revoked;
  expect(estate.revoked).toHaveLength(1);
  expect(revoked).not.toBe(seed);
  expect(estate.world.salesforce.family(revoked)).toMatchObject({ alive: false });
}

/** Without colours and the moves of a cursor. */
function plain(printed: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal gets.
  return printed.replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, '');
}

async function until<T>(get: () => Promise<T>): Promise<T> {
  for (;;) {
    const got = await get().catch(() => undefined);
    if (got !== undefined) return got;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
