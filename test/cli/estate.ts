import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { afterAll, expect } from 'vitest';
import { systemClock } from '../../functions/runtime/clock.ts';
import type { Intercept } from '../../infra/local/wire/traffic.ts';
import { type LocalWorld, startWorld } from '../../infra/local/world.ts';
import { APP, CODE_APP, CODE_SECRET, PRIVATE_KEY, PUBLIC_KEY, USER } from '../support/world.ts';

export const HOUR = 3_600_000;
/** Many processes beside many other tests: on a busy machine each one takes seconds. */
export const PATIENCE = 240_000;
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
/** Outlives the run: what was compiled once need not be again. */
const CACHE = path('../../node_modules/.cache/appflow-token-refresher');
/** Where the command line runs, and the home of its user. */
export const directory = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(directory, { recursive: true }));

const TERMINAL = path('../support/terminal.ts');
const Revoked = v.object({ token: v.string() });

export type Said = (pattern: RegExp) => Promise<string>;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Local services by the real clock, since the command line is a process of its own, and what a person finds there. */
export class Estate implements AsyncDisposable {
  readonly world: LocalWorld;
  readonly env: Record<string, string> = {};
  /** Every secret that was ever stored or issued here: none may be printed. */
  readonly #secrets = new Set<string>([CODE_SECRET, ...bodyOf(PRIVATE_KEY)]);

  readonly #clock: { behind: number };

  private constructor(world: LocalWorld, clock: { behind: number }) {
    this.world = world;
    this.#clock = clock;
    world.salesforce.registerApp({ clientId: APP, certificates: [PUBLIC_KEY], users: [USER] });
    world.salesforce.registerApp({ clientId: CODE_APP, clientSecret: CODE_SECRET, users: [USER, 'other@example.com'] });
  }

  static async open(intercept?: Intercept): Promise<Estate> {
    const clock = { ...systemClock, behind: 0, now: () => Date.now() - clock.behind, sleep: async () => undefined };
    return new Estate(await startWorld({ clock, ...(intercept && { intercept }) }), clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world.close();
  }

  profile(name: string, hoursOld = 0.1): void {
    this.world.aws.appflow.putProfile({
      name,
      properties: { instanceUrl: 'https://example.my.salesforce.com' },
      createdAt: new Date(Date.now() - 48 * HOUR),
      lastUpdatedAt: new Date(Date.now() - hoursOld * HOUR),
    });
  }

  secret(name: string, value: Record<string, unknown> | string, tags: Record<string, string> = {}): void {
    const text = typeof value === 'string' ? value : JSON.stringify({ loginUrl: this.world.salesforce.url, ...value });
    // Made an hour ago, since a secret that changed within two minutes of a refresh is due.
    this.#clock.behind = HOUR;
    this.world.aws.secrets.create({ name: `appflow-token-refresher/${name}`, value: text, tags });
    this.#clock.behind = 0;
  }

  /** A connection whose profile is younger than its secret, so that nothing is due. */
  jwt(name: string, more: Record<string, unknown> = {}, tags: Record<string, string> = {}): void {
    this.secret(
      name,
      {
        grantType: 'JWT_BEARER',
        connectorProfileName: tags['connector-profile-name'],
        clientId: APP,
        username: USER,
        privateKey: PRIVATE_KEY,
        ...more,
      },
      tags,
    );
    this.profile(tags['connector-profile-name'] ?? name, -1 / 3600);
  }

  /** As the function `refresh` would have logged it just now. */
  logged(connection: string, outcome: string): void {
    const line = { connection, level: 'INFO', message: `${connection}: ${outcome}`, outcome };
    this.world.aws.logs.put('/aws/lambda/appflow-token-refresher-prod-refresh', JSON.stringify(line));
  }

  async code(name: string, more: Record<string, unknown> = {}): Promise<string> {
    const { refreshToken } = await this.world.salesforce.issueRefreshToken(CODE_APP, USER);
    const client = { clientId: CODE_APP, clientSecret: CODE_SECRET };
    this.secret(name, { grantType: 'AUTHORIZATION_CODE', ...client, refreshToken, ...more });
    this.profile(name);
    return refreshToken;
  }

  /** What the services do meanwhile bears dates of so many hours ago. */
  async earlier<T>(hours: number, act: () => Promise<T>): Promise<T> {
    this.#clock.behind = hours * HOUR;
    try {
      return await act();
    } finally {
      this.#clock.behind = 0;
    }
  }

  /** As its operator would. */
  change(name: string, more: Record<string, unknown>): void {
    const value = JSON.stringify({ ...this.read(name), ...more });
    this.world.aws.secrets.put(`appflow-token-refresher/${name}`, value);
  }

  read(name: string): Record<string, unknown> {
    return JSON.parse(this.world.aws.secrets.read(`appflow-token-refresher/${name}`) ?? 'null');
  }

  /** Runs the command line to its end, and holds all that it printed against every secret of this world. */
  async run(
    args: readonly string[],
    options: {
      readonly stdin?: string;
      readonly entry?: 'bin.mjs';
      /** Whether it sits at a terminal, as far as it can tell: then `type` presses keys, the last ones. */
      readonly terminal?: boolean;
      readonly while?: (
        said: Said,
        kill: (signal?: NodeJS.Signals) => void,
        type: (keys: string) => void,
        /** Stops reading what it prints, as `head` does once it has enough. */
        stopReading: () => void,
      ) => Promise<void>;
    } = {},
  ): Promise<Result> {
    const { terminal = false } = options;
    const entry = path(`../../infra/cli/${options.entry ?? 'main.ts'}`);
    const child = spawn(process.execPath, [...(terminal ? ['--import', TERMINAL] : []), entry, ...args], {
      cwd: directory,
      env: { PATH: process.env['PATH'], HOME: directory, NODE_COMPILE_CACHE: CACHE, ...this.world.env, ...this.env },
    });
    const printed = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (printed.stdout += chunk));
    child.stderr.on('data', (chunk) => (printed.stderr += chunk));
    // It may end before it has read all.
    child.stdin.on('error', () => undefined);
    if (!terminal) child.stdin.end(options.stdin ?? '');
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const said = async (pattern: RegExp) => {
      for (;;) {
        const match = pattern.exec(printed.stderr);
        if (match !== null) return match[0];
        if (child.exitCode !== null) throw new Error(`It ended without saying ${pattern}: ${printed.stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await options.while?.(
      said,
      (signal = 'SIGINT') => child.kill(signal),
      (keys) => child.stdin.end(keys),
      () => child.stdout.destroy(),
    );
    const code = await ended;
    child.stdin.destroy();
    for (const name of this.world.aws.secrets.names()) {
      for (const version of this.world.aws.secrets.versions(name)) collect(version.value, this.#secrets);
    }
    for (const token of this.revoked) this.#secrets.add(token);
    for (const secret of this.#secrets) expect(`${printed.stdout}${printed.stderr}`).not.toContain(secret);
    // Nobody pipes colours.
    expect(terminal ? printed.stdout : `${printed.stdout}${printed.stderr}`).not.toContain('\u001b');
    return { code, ...printed };
  }

  /** The tokens that somebody revoked, in order. */
  get revoked(): string[] {
    return this.world.salesforce.calls.flatMap(({ operation, input }) =>
      operation === 'revoke' ? [v.parse(Revoked, input).token] : [],
    );
  }

  async json(args: readonly string[], stdin = '') {
    const result = await this.run([...args, '--json'], { stdin });
    return { code: result.code, stderr: result.stderr, body: JSON.parse(result.stdout) };
  }
}

const SECRET_KEYS = new Set(['privateKey', 'clientSecret', 'refreshToken', 'accessToken']);

function collect(json: string | undefined, into: Set<string>): void {
  if (json === undefined || !json.startsWith('{')) return;
  for (const [key, value] of Object.entries<unknown>(JSON.parse(json))) {
    if (!SECRET_KEYS.has(key) || typeof value !== 'string') continue;
    for (const part of key === 'privateKey' ? bodyOf(value) : [value]) into.add(part);
  }
}

function bodyOf(pem: string): string[] {
  return pem.split('\n').filter((line) => line.length > 40);
}

/** A browser in which somebody is logged in: it follows the address that was printed. */
export async function browse(said: Said, change: (url: URL) => void = () => undefined) {
  const url = new URL(await said(/http:\/\/127\.0\.0\.1:\d+\/services\/oauth2\/authorize\S+/));
  await said(/Waiting/);
  change(url);
  const response = await fetch(url);
  return { status: response.status, text: await response.text(), url };
}

/** Below the ports that a system gives out by itself. */
let nextPort = 20_000 + (process.pid % 12_000);
export const freePort = () => nextPort++;
export const redirect = () => ['--redirect-uri', `http://localhost:${freePort()}/OauthRedirect`, '--timeout', '10'];
