import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sayJson, text } from '../../infra/cli/output.ts';
import { APP, CODE_APP, PRIVATE_KEY, USER } from '../support/world.ts';
import { browse, Estate, PATIENCE, redirect } from './estate.ts';

/** One of each kind of what a terminal obeys or hides. */
const KINDS = {
  'a line break': '\n',
  'a carriage return': '\r',
  escape: '\u001b[2J',
  bell: '\u0007',
  null: '\0',
  delete: '\u007f',
  'C1 (CSI)': '\u009b2J',
  'C1 (OSC)': '\u009d0;x\u009c',
  'next line': '\u0085',
  'a right-to-left override': '\u202e',
  'an embedding': '\u202a',
  'an isolate': '\u2066',
  'the end of an isolate': '\u2069',
  'the left-to-right mark': '\u200e',
  'the right-to-left mark': '\u200f',
  'the Arabic letter mark': '\u061c',
  'a line separator': '\u2028',
  'a paragraph separator': '\u2029',
  'a zero-width space': '\u200b',
  'a zero-width joiner': '\u200d',
  'a byte order mark': '\ufeff',
  'a soft hyphen': '\u00ad',
  'a word joiner': '\u2060',
  'a Hangul filler': '\u3164',
  'a variation selector': '\ufe0f',
  'a tag character': '\u{e0041}',
  'half of a pair': '\ud800',
  'a private character': '\ue000',
  'no character': '\uffff',
};
const ALL = Object.values(KINDS).join('');
/** What an argument of a program can hold of it. */
const ARGUMENT = ALL.replaceAll('\0', '').replaceAll('\ud800', '');
/** What may stand in our output as it is. */
const HARMLESS = /^[\n\u0020-\u007e\u00a1-\u00ac\u00ae-\u02ff✓✗●→–…\ufffd]*$/;

describe('what comes from outside', () => {
  it.each(Object.entries(KINDS))('is made visible: %s', (_kind, character) => {
    expect(text`ours ${`a${character}b`}`.on(process.stdout)).toMatch(/^ours a(\\u[0-9a-f]{4}[\x20-\x7e]*)+b$/);
  });

  it('keeps its letters, of whatever language', () => {
    const names = 'Zoë Žižek Ωμέγα Иван 李雷 יוסי أحمد हिन्दी';
    expect(text`${names}`.on(process.stdout)).toBe(names);
  });

  it('cannot pass for a colour or a line of ours', () => {
    const forged = text`${'\u001b[32m✓\u001b[39m sf-prod\n✓ sf-eu'}`.on(process.stdout);
    expect(forged).toBe('\\u001b[32m✓\\u001b[39m sf-prod\\u000a✓ sf-eu');
  });

  it('is written by one module alone', () => {
    const others = globSync('infra/cli/*.ts').filter((path) => !path.endsWith('/output.ts'));
    expect(others.length).toBeGreaterThan(15);
    for (const path of others) {
      const source = readFileSync(path, 'utf8');
      expect(source, path).not.toMatch(/process\.std(out|err)(?!\.isTTY|\.columns|\.on\('error')|console\.|writeSync/);
    }
  });
});

describe.concurrent('the command line, told hostile names', { timeout: PATIENCE }, () => {
  it('prints none of their characters as they are, and JSON that says the same', async () => {
    await using estate = await Estate.open();
    estate.secret('sf-one', {
      grantType: 'JWT_BEARER',
      clientId: APP,
      username: USER,
      privateKey: PRIVATE_KEY,
      [ALL]: 1,
    });
    estate.secret('sf-two', { grantType: 'JWT_BEARER', clientId: APP, username: USER, kmsKeyId: `key${ALL}` });
    estate.profile(`evil${ALL}`);
    estate.profile('sf-one');
    for (const args of [['status'], ['check', 'sf-one', 'sf-two'], ['refresh', 'sf-one', 'sf-two', `no${ARGUMENT}`]]) {
      const { stdout, stderr } = await estate.run(args);
      expect(stdout + stderr).not.toBe('');
      expect(stdout, args[0]).toMatch(HARMLESS);
      expect(stderr, args[0]).toMatch(HARMLESS);
    }
    const { stdout } = await estate.run(['status', '--json']);
    expect(stdout).toMatch(/^[\n\x20-\x7e]*$/);
    expect(JSON.parse(stdout).unservedProfiles).toEqual([`evil${ALL}`]);
  });

  it('shows a user of Salesforce whose name would rewrite the line', async () => {
    const user = 'good@acme.example\u001b[2K\rbad\u202e';
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    estate.world.salesforce.registerApp({ clientId: CODE_APP, users: [user] });
    estate.change('sf-eu', { clientSecret: undefined });
    estate.world.salesforce.logIn(user);
    const { stderr } = await estate.run(['authorize', 'sf-eu', '--user', 'good@acme.example', ...redirect()], {
      while: async (said) => void (await browse(said, (url) => url.searchParams.delete('login_hint'))),
    });
    expect(stderr).toMatch(HARMLESS);
    expect(stderr).toContain('good@acme.example\ufffd[2K\ufffdbad\ufffd logged in, not good@acme.example.');
  });

  it('quotes no argument as it is when it complains', async () => {
    await using estate = await Estate.open();
    const { code, stderr } = await estate.run(['status', `--x${ARGUMENT}`]);
    expect(code).toBe(2);
    expect(stderr).toMatch(HARMLESS);
  });
});

describe.concurrent('an argument', { timeout: PATIENCE }, () => {
  it.each<[string[], RegExp]>([
    [['authorize', 'sf-eu', '--user', '--json'], /--user.*looks like an option/],
    [['authorize', 'sf-eu', '--user=-x'], /--user.*looks like an option/],
    [['authorize', 'sf-eu', '--user', ''], /--user.*is empty/],
    [['add', 'x', '--grant', '--json'], /--grant.*looks like an option/],
    [['add', 'x', '--profile', '-p'], /--profile.*looks like an option/],
    [['add', 'x', '--client-id', '--username'], /--client-id.*looks like an option/],
    [['add', 'x', '--interval', '-1'], /--interval.*looks like an option/],
    [['refresh', '--dryrun', 'sf-eu'], /unknown option '--dryrun'/],
    [['refresh', 'sf-eu', '-x'], /unknown option '-x'/],
    [['add', 'x', '--client-secret=5Aep861.secret'], /^error: unknown option '--client-secret'\n/],
    [['add', 'x', '--refresh-token=5Aep861\nsecret'], /^error: unknown option '--refresh-token'\n/],
    [['add', 'x', '5Aep861.secret'], /^error: too many arguments for 'add'\. Expected 1 argument but got 2\.\n$/],
    [['status', 'sf-eu'], /too many arguments/],
    [['authorize', 'sf-eu', 'sf-us'], /too many arguments/],
    [['refresh', '--', '--all', 'a b'], /no connection can have such a name/],
  ])('that looks like an option is taken neither for a value nor for a name: %j', async (args, complaint) => {
    await using estate = await Estate.open();
    const { code, stderr } = await estate.run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(complaint);
    expect(stderr).not.toContain('5Aep861');
    expect(estate.world.salesforce.calls).toEqual([]);
  });

  it('after -- is a name, and not the option that it looks like', async () => {
    await using estate = await Estate.open();
    estate.jwt('sf-one');
    const { code, stdout, stderr } = await estate.run(['refresh', '--', 'a b', '--json']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/a b.*: no connection can have such a name/);
  });
});

describe.concurrent('stdin', { timeout: PATIENCE }, () => {
  it('is read up to what a secret can hold', async () => {
    await using estate = await Estate.open();
    const args = ['add', 'x', '--grant', 'AUTHORIZATION_CODE', '--client-id', CODE_APP, '--refresh-token-stdin'];
    const { code, stderr } = await estate.run([...args, '--login-url', estate.world.salesforce.url], {
      stdin: 'x'.repeat(5_000_000),
    });
    expect(code).toBe(2);
    expect(stderr).toContain('More than 65536 bytes came on stdin.');
  });
});

describe.concurrent('a terminal', { timeout: PATIENCE }, () => {
  it.each(['--refresh-token-stdin', '--client-secret-stdin'])('is no place to type what %s reads', async (option) => {
    await using estate = await Estate.open();
    const args = ['add', 'x', '--grant', 'AUTHORIZATION_CODE', '--client-id', CODE_APP, option];
    const { code, stderr } = await estate.run([...args, '--login-url', estate.world.salesforce.url], {
      terminal: true,
      while: async (_said, _kill, type) => type('5Aep861.secret\r'),
    });
    expect(code).toBe(2);
    expect(stderr).toContain('A secret that is typed here would be shown.');
  });
});

describe('a JSON document', () => {
  it('has no character beyond ASCII that a terminal would obey', () => {
    const written: string[] = [];
    const write = process.stdout.write;
    process.stdout.write = (chunk) => written.push(String(chunk)) > 0;
    try {
      sayJson({ [ALL]: [ALL, { a: ALL }] });
    } finally {
      process.stdout.write = write;
    }
    const [document = ''] = written;
    expect(document).toMatch(/^[\n\x20-\x7e]*$/);
    expect(JSON.parse(document)).toEqual({ [ALL]: [ALL, { a: ALL }] });
  });
});
