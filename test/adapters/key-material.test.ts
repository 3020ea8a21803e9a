import { createPublicKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { certificateIn } from '../../functions/adapters/key-material.ts';
import { privateKeyProblem, signerAdapter } from '../../functions/adapters/signer.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { type Certified, certified, derOf } from '../support/certificates.ts';
import { anyText, fakeRun } from '../support/rules.ts';

const ENDS = new Date('2027-03-04T05:06:07Z');
const root = await certified('Acme Root', new Date('2040-01-01T00:00:00Z'));
const leaf = await certified('appflow', ENDS, { ...root, name: 'Acme Root' });
const stranger = await certified('someone else', new Date('2031-01-01T00:00:00Z'));
const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const sec1 = elliptic.privateKey.export({ type: 'sec1', format: 'pem' }).toString();
const PARAMETERS = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
const ATTRIBUTES = `Bag Attributes
    friendlyName: appflow
    localKeyID: 54 69 6D 65 20 31
subject=C = DE, O = "Acme, Inc.", CN = appflow
issuer=CN = Acme Root
`;

const base64 = (text: string) => Buffer.from(text).toString('base64');
const lines = (pem: string) => pem.trimEnd().split('\n');
const each =
  (change: (line: string, n: number) => string, joint = '\n') =>
  (pem: string) =>
    lines(pem).map(change).join(joint);
const body = (change: (line: string) => string) => each((line) => (line.startsWith('-----') ? line : change(line)));

/** What tools and people do to a PEM of one block, each after a case that was seen. */
const DECORATIONS: Readonly<Record<string, (pem: string) => string>> = {
  'as it is': (pem) => pem,
  'no line break at the end': (pem) => pem.trimEnd(),
  'blanks and lines around it': (pem) => `\n\n   ${pem}\n  \n`,
  CRLF: (pem) => pem.replaceAll('\n', '\r\n'),
  'lone CR': (pem) => pem.replaceAll('\n', '\r'),
  'blank lines between': (pem) => pem.replaceAll('\n', '\n\n'),
  'line separators of Unicode': (pem) => pem.replaceAll('\n', '\u2028'),
  'four blanks before each line': each((line) => `    ${line}`),
  'a tab before each line': each((line) => `\t${line}`),
  'blanks at the ends of lines': each((line) => `${line}  `),
  'no-break spaces before each line': each((line) => `\u00a0\u00a0${line}`),
  'zero-width spaces': each((line) => `\u200b${line}\u200d`),
  'a byte order mark': (pem) => `\ufeff${pem}`,
  'soft hyphens and bidi marks': each((line) => `\u200e${line.slice(0, 20)}\u00ad${line.slice(20)}\u200f`),
  'one line with blanks': (pem) => lines(pem).join(' '),
  'one line with nothing between': (pem) => lines(pem).join(''),
  'no blanks at all': (pem) => pem.replace(/\s/g, ''),
  '\\n spelled out': (pem) => pem.replaceAll('\n', '\\n'),
  '\\r\\n spelled out': (pem) => pem.replaceAll('\n', '\\r\\n'),
  'doubled escapes': (pem) => pem.replaceAll('\n', '\\\\n'),
  'escapes of escapes of escapes': (pem) => pem.replaceAll('\n', '\\\\\\\\n'),
  '\\n and a line break': (pem) => pem.replaceAll('\n', '\\n\n'),
  '\\u000a': (pem) => pem.replaceAll('\n', '\\u000a'),
  '\\x0a': (pem) => pem.replaceAll('\n', '\\x0A'),
  '\\012': (pem) => pem.replaceAll('\n', '\\012'),
  'signs as JSON of .NET and Gson escapes them': (pem) =>
    JSON.stringify(pem).replaceAll('+', '\\u002B').replaceAll('=', '\\u003d').replaceAll('/', '\\/'),
  'a JSON string': (pem) => JSON.stringify(pem),
  'a JSON string in a JSON string': (pem) => JSON.stringify(JSON.stringify(pem)),
  'a backslash at the end of each line': each((line) => `${line}\\`),
  'a blank and a backslash at the end of each line': each((line) => `${line} \\`),
  'each line in double quotes': each((line) => `"${line}"`),
  'each line in single quotes': each((line) => `'${line}'`),
  'each line in backticks': each((line) => `\`${line}\``),
  'each line in curly quotes': each((line) => `“${line}”`),
  'each line in quotes with \\n in them': each((line) => `"${line}\\n"`),
  'a list of JSON': (pem) => JSON.stringify(lines(pem), null, 2),
  'a list of JSON in one line': (pem) => JSON.stringify(lines(pem)),
  'a list of JSON in a JSON string': (pem) => JSON.stringify(JSON.stringify(lines(pem), null, 2)),
  'strings of JavaScript': each((line) => `  "${line}\\n" +`),
  'strings of JavaScript, the plus before': each((line, n) => `  ${n === 0 ? ' ' : '+'} '${line}\\n'`),
  'strings of PHP': each((line) => `'${line}' . PHP_EOL .`),
  'strings of Visual Basic': each((line) => `"${line}" & vbCrLf & _`),
  'strings of Java': each((line) => `"${line}" + System.lineSeparator() +`),
  'strings of Python': (pem) => `key = (\n${each((line) => `    b"${line}\\n"`)(pem)}\n)`,
  'a block of YAML': (pem) => `privateKey: |\n${each((line) => `  ${line}`)(pem)}\n`,
  'a folded block of YAML': (pem) => `key: >-\n${each((line) => `  ${line}`)(pem)}\n`,
  'a line of .env': (pem) => `SALESFORCE_KEY="${pem.replaceAll('\n', '\\n')}"`,
  'a here document': (pem) => `cat > key.pem <<'EOF'\n${pem}EOF\n`,
  'a block of Markdown': (pem) => `Here it is:\n\n\`\`\`pem\n${pem}\`\`\`\nRegards, Ann`,
  'a mail quoted': each((line) => `> ${line}`),
  'a comment': each((line) => `# ${line}`),
  'a comment of C': each((line) => `// ${line}`),
  'a patch': each((line) => `+${line}`),
  'numbers of lines': each((line, n) => `${String(n + 1).padStart(6)}\t${line}`),
  'numbers of lines with colons': each((line, n) => `${n + 1}:${line}`),
  'a list of YAML': each((line) => `- ${line}`),
  HTML: (pem) => `<pre>${lines(pem).join('<br/>\n')}</pre>`,
  'entities of HTML': (pem) =>
    pem.replaceAll('+', '&#43;').replaceAll('/', '&#x2F;').replaceAll('=', '&#x3D;').replaceAll('\n', '&#10;'),
  'entities of entities': (pem) => pem.replaceAll('+', '&amp;#43;').replaceAll('=', '&amp;equals;'),
  'XML of Windows': (pem) => pem.replaceAll('\n', '&#xD;&#xA;'),
  'a parameter of a URL': (pem) => encodeURIComponent(pem),
  'a field of a form': (pem) => new URLSearchParams({ key: pem }).toString(),
  'a field of a form that was not encoded': (pem) => body((line) => line.replaceAll('+', ' '))(pem),
  'quoted-printable': (pem) => pem.replaceAll('=', '=3D').replace(/^(.{30})/gm, '$1=\n'),
  'escapes of PowerShell': (pem) => pem.replaceAll('\n', '`r`n'),
  'escapes whose backslash a shell has eaten': (pem) => pem.replaceAll('\n', 'n'),
  'dashes of a word processor': (pem) => pem.replaceAll('-----', '—–'),
  'four hyphens': (pem) => pem.replaceAll('-----', '----'),
  'hyphens that do not break': (pem) => pem.replaceAll('-', '\u2011'),
  'a label in small letters': (pem) => pem.replace(/-----[^-]+-----/g, (label) => label.toLowerCase()),
  'no END line': (pem) => lines(pem).slice(0, -1).join('\n'),
  'no END line, and prose': (pem) => `${lines(pem).slice(0, -1).join('\n')}\n\nKind regards, Ann`,
  'no padding': (pem) => pem.replaceAll('=', ''),
  'the alphabet of base64url': body((line) => line.replaceAll('+', '-').replaceAll('/', '_')),
  'signs of full width': (pem) => pem.replace(/[!-~]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) + 0xfee0)),
  'lines of 76': (pem) =>
    body((line) => line)(pem).replace(
      /(-----\n)([^-]+)(\n-----)/g,
      (_, a, b: string, c) => a + b.replaceAll('\n', '').replace(/.{76}/g, '$&\n') + c,
    ),
  'UTF-16 read as bytes': (pem) => Buffer.from(pem, 'utf16le').toString('latin1'),
  'a parameter of a URL, encoded twice': (pem) => encodeURIComponent(encodeURIComponent(pem)),
  'headers of RFC 1421': (pem) => pem.replace(/-----\n/, '-----\nX-Note: prod\nComment: from Ann\n\n'),
  'carriage returns as a terminal shows them': (pem) => pem.replaceAll('\n', '^M\n'),
  'carriage returns and ends of lines as cat -A shows them': (pem) => pem.replaceAll('\n', '^M$\n'),
  'the other slash before n': (pem) => pem.replaceAll('\n', '/n'),
  'one hyphen': (pem) => pem.replaceAll('-----', '-'),
  'no hyphens': (pem) => pem.replaceAll('-', ''),
  'no BEGIN line': (pem) => lines(pem).slice(1).join('\n'),
  'text around it': (pem) => `The key of sandbox-2 (do not share!):\n${pem}\n-- \nAnn, +49 30 1234`,
};

const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  'as text': (text) => text,
  'in base64': base64,
  'in base64 of several lines': (text) => base64(text).replace(/.{76}/g, '$&\n'),
  'in base64 of base64': (text) => base64(base64(text)),
  'in base64 of three layers': (text) => base64(base64(`${base64(text)}\n`)),
  'in base64url': (text) => Buffer.from(text).toString('base64url'),
  'in base64 without padding': (text) => base64(text).replaceAll('=', ''),
  'in base64 of UTF-16': (text) => Buffer.from(text, 'utf16le').toString('base64'),
  'in base64 of UTF-16 with a byte order mark': (text) => Buffer.from(`\ufeff${text}`, 'utf16le').toString('base64'),
  'in base64 of UTF-16, the high byte first': (text) => Buffer.from(text, 'utf16le').swap16().toString('base64'),
  'in base64 with a line break spelled out': (text) => `${base64(text).replace(/.{64}/g, '$&\\n')}\\n`,
  'in base64 in quotes': (text) => `"${base64(text)}"`,
  'in strings of base64': (text) => base64(text).replace(/.{60}/g, '$&" +\n"').replace(/^.*$/s, '"$&"'),
  'in a data URL': (text) => `data:application/x-pem-file;base64,${base64(text)}`,
  'in hexadecimal': (text) => Buffer.from(text).toString('hex'),
  'in hexadecimal with colons': (text) =>
    Buffer.from(text)
      .toString('hex')
      .replace(/..(?=.)/g, '$&:'),
  'in hexadecimal after 0x': (text) => `0x${Buffer.from(text).toString('hex')}`,
  'in base64 in an object of JSON': (text) => JSON.stringify({ name: 'x', privateKey: base64(text), more: ['abc'] }),
  'in base64 in a manifest of Kubernetes': (text) =>
    `apiVersion: v1\nkind: Secret\ntype: Opaque\ndata:\n  tls.key: ${base64(text)}\n`,
  'in base64 in a binary value of YAML': (text) =>
    `key: !!binary |\n  ${base64(text).replace(/.{70}/g, '$&\n  ')}\nother: 1\n`,
  'in base64 in a line of a shell': (text) => `export SF_PRIVATE_KEY='${base64(text)}' # prod`,
  'as certutil -encode frames what it encodes': (text) =>
    `-----BEGIN CERTIFICATE-----\r\n${base64(text).replace(/.{64}/g, '$&\r\n')}\r\n-----END CERTIFICATE-----\r\n`,
};

/** What stands around the key in the files that hold several blocks. */
const BUNDLES: Readonly<Record<string, (key: string, of: Certified) => string>> = {
  alone: (key) => key,
  'before its certificate': (key, of) => key + of.certificate,
  'after its certificate': (key, of) => of.certificate + key,
  'after a chain': (key, of) => of.certificate + root.certificate + key,
  'between a chain': (key, of) => root.certificate + key + of.certificate,
  'as openssl pkcs12 leaves it': (key, of) =>
    `${ATTRIBUTES}${of.certificate}${ATTRIBUTES}Key Attributes: <No Attributes>\n${key}`,
  'after its public key': (key, of) => of.publicPem + key,
  'after parameters': (key) => PARAMETERS + key,
  'as a text dump': (key, of) =>
    `Certificate:\n    Data:\n        Serial Number: 1 (0x1)\n${of.certificate}RSA Private-Key: (2048 bit, 2 primes)\nmodulus:\n    00:ae:13:15\n${key}`,
  twice: (key) => key + key,
  'before the key of another': (key) => key + stranger.pkcs8,
};

const signer = signerAdapter(() => Promise.reject(new Error('KMS is not expected.')));
const publicKey = createPublicKey(leaf.publicPem);

/** Whether what the given key signs verifies with the public key of the leaf. */
async function signs(text: string): Promise<boolean> {
  const jwt = (await signer.sign({ pem: new Redacted(text) }, '{"exp":1}', fakeRun())).reveal();
  const [header, payload, signature = ''] = jwt.split('.');
  return verify('sha256', Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, 'base64url'));
}

const problem = (text: string) => privateKeyProblem(new Redacted(text));
const found = (text: string, ...keys: string[]) =>
  certificateIn(
    new Redacted(text),
    keys.map((key) => new Redacted(key)),
  );
const endOf = (text: string, ...keys: string[]) => {
  const one = found(text, ...keys);
  return 'pem' in one ? signer.certificateEnd(one.pem) : one.says;
};

describe('a good key', () => {
  it.each(Object.entries(DECORATIONS))(
    'signs with this around it, and its certificate has an end: %s',
    async (_, decorated) => {
      for (const pem of [leaf.pkcs8, leaf.pkcs1]) {
        expect(problem(decorated(pem))).toBeUndefined();
        await expect(signs(decorated(pem))).resolves.toBe(true);
      }
      expect(endOf(decorated(leaf.certificate))).toEqual(ENDS);
    },
  );

  it.each(Object.entries(ENCODINGS))('signs, and its certificate has an end, %s', async (_, encoded) => {
    for (const pem of [leaf.pkcs8, leaf.pkcs1]) await expect(signs(encoded(pem))).resolves.toBe(true);
    expect(endOf(encoded(leaf.certificate))).toEqual(ENDS);
  });

  it.each(Object.entries(BUNDLES))('signs, and its certificate is found, %s', async (_, bundle) => {
    for (const pem of [leaf.pkcs8, leaf.pkcs1]) {
      expect(problem(bundle(pem, leaf))).toBeUndefined();
      await expect(signs(bundle(pem, leaf))).resolves.toBe(true);
      await expect(signs(base64(bundle(pem, leaf)))).resolves.toBe(true);
    }
    const text = bundle(leaf.pkcs8, leaf);
    if (text.includes('BEGIN CERTIFICATE')) expect(endOf(text, leaf.pkcs8)).toEqual(ENDS);
  });

  it('signs whatever is done to it, in any combination, and its certificate has the same end', async () => {
    // What loses a sign for good cannot be undone once another has moved the lines.
    const lossy = [
      'a field of a form that was not encoded',
      'escapes whose backslash a shell has eaten',
      'no END line, and prose',
      'UTF-16 read as bytes',
      'no BEGIN line',
      'one hyphen',
      'no hyphens',
      'the other slash before n',
    ];
    const one = fc.constantFrom(...Object.keys(DECORATIONS).filter((name) => !lossy.includes(name)));
    const way = fc.record({
      form: fc.constantFrom('pkcs8' as const, 'pkcs1' as const),
      bundle: fc.constantFrom(...Object.keys(BUNDLES)),
      decoration: one,
      encoding: fc.constantFrom(...Object.keys(ENCODINGS)),
    });
    await fc.assert(
      fc.asyncProperty(way, async ({ form, bundle, decoration, encoding }) => {
        const text = [BUNDLES[bundle]?.(leaf[form], leaf) ?? '']
          .map((plain) => DECORATIONS[decoration]?.(plain) ?? '')
          .map((decorated) => ENCODINGS[encoding]?.(decorated) ?? '')[0];
        if (text === undefined) throw new Error('There is no such way.');
        expect(problem(text)).toBeUndefined();
        await expect(signs(text)).resolves.toBe(true);
        if (/certificate|chain|pkcs12|dump/.test(bundle)) expect(endOf(text, leaf.pkcs8)).toEqual(ENDS);
      }),
      { numRuns: 150 },
    );
  });

  it.each([
    ['PKCS#8 in the label of PKCS#1', leaf.pkcs8.replaceAll('PRIVATE KEY', 'RSA PRIVATE KEY')],
    ['PKCS#1 in the label of PKCS#8', leaf.pkcs1.replaceAll('RSA PRIVATE KEY', 'PRIVATE KEY')],
    ['DER in base64', derOf(leaf.pkcs8).toString('base64')],
    ['DER of PKCS#1 in base64url', derOf(leaf.pkcs1).toString('base64url')],
    ['DER in base64 of several lines', derOf(leaf.pkcs8).toString('base64').replace(/.{64}/g, '$&\r\n')],
    ['DER in hexadecimal', derOf(leaf.pkcs8).toString('hex')],
    ['DER in base64 after its name', `PRIVATE_KEY=${derOf(leaf.pkcs8).toString('base64')}`],
    ['a file of a service account', JSON.stringify({ type: 'service_account', private_key: leaf.pkcs8 })],
  ])('signs whatever its label says: %s', async (_, text) => {
    expect(problem(text)).toBeUndefined();
    await expect(signs(text)).resolves.toBe(true);
  });

  it.each<[string, (pem: string) => string]>([
    ['CERTIFICATE, as certutil -encode writes', (pem) => pem.replaceAll(/(?:RSA )?PRIVATE KEY/g, 'CERTIFICATE')],
    ['PUBLIC KEY', (pem) => pem.replaceAll('PRIVATE', 'PUBLIC')],
    ['EC PRIVATE KEY', (pem) => pem.replaceAll(/(?:RSA )?PRIVATE KEY/g, 'EC PRIVATE KEY')],
    ['ENCRYPTED PRIVATE KEY', (pem) => pem.replaceAll(/(?:RSA )?PRIVATE KEY/g, 'ENCRYPTED PRIVATE KEY')],
    ['OPENSSH PRIVATE KEY', (pem) => pem.replaceAll(/(?:RSA )?PRIVATE KEY/g, 'OPENSSH PRIVATE KEY')],
    ['KEY', (pem) => pem.replaceAll(/(?:RSA )?PRIVATE KEY/g, 'KEY')],
  ])('signs in the label %s, since its bytes say what it is', async (_, labelled) => {
    for (const pem of [leaf.pkcs8, leaf.pkcs1]) await expect(signs(labelled(pem))).resolves.toBe(true);
  });

  it('signs after keys that cannot be used', async () => {
    const block = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n';
    for (const before of [sec1, block, `${leaf.pkcs8.slice(0, 500)}\n-----END PRIVATE KEY-----\n`])
      await expect(signs(before + leaf.pkcs8)).resolves.toBe(true);
  });

  it('signs in bare base64 as a member of JSON and an element of XML', async () => {
    const bare = derOf(leaf.pkcs8).toString('base64');
    for (const text of [JSON.stringify({ private_key: bare }), `<Key>\n${bare}\n</Key>`, `key: ${bare}\nid: 7\n`])
      await expect(signs(text)).resolves.toBe(true);
  });

  it('signs in base64 of any length before other values', async () => {
    // Without padding nothing but the sign behind it ends the base64.
    for (const blanks of ['', ' ', '  '])
      for (const text of [base64(`${leaf.pkcs8}${blanks}`), base64(base64(`${leaf.pkcs8}${blanks}${blanks}`))])
        for (const held of [JSON.stringify({ key: text, more: 'x' }), `key: !!binary |\n  ${text}\nother: 1\n`])
          await expect(signs(held)).resolves.toBe(true);
  });

  it('is read however the text is made', () => {
    const units = [
      '-',
      '-----BEGIN ',
      '-----BEGIN A-----',
      '\\',
      '"',
      '" ',
      "'+",
      '&#',
      '<a',
      '%0A',
      '\n',
      ' ',
      'MIIE',
      '=3D',
      '—',
      '`n',
      '> ',
      '1 ',
    ];
    for (const unit of units) {
      expect(problem(unit.repeat(Math.ceil(65_536 / unit.length)))).toBeDefined();
      expect(problem(`-----BEGIN PRIVATE KEY-----${unit.repeat(Math.ceil(65_000 / unit.length))}`)).toBeDefined();
    }
  });
});

describe('a certificate', () => {
  it('of several is the one of the key, in whichever order they come', () => {
    const chains = [
      leaf.certificate + root.certificate,
      root.certificate + leaf.certificate,
      stranger.certificate + leaf.certificate,
    ];
    for (const chain of chains) expect(endOf(chain, leaf.pkcs8)).toEqual(ENDS);
    expect(endOf(leaf.certificate + stranger.certificate, stranger.pkcs8, leaf.pkcs8)).toEqual(stranger.endsAt);
    expect(endOf(root.certificate + leaf.certificate, root.pkcs8)).toEqual(root.endsAt);
  });

  it('of a chain without a key is the leaf, and otherwise the first', () => {
    expect(endOf(leaf.certificate + root.certificate)).toEqual(ENDS);
    expect(endOf(root.certificate + leaf.certificate)).toEqual(ENDS);
    expect(endOf(stranger.certificate + root.certificate)).toEqual(stranger.endsAt);
    expect(endOf(root.certificate + root.certificate)).toEqual(root.endsAt);
  });

  it('comes alone out of a bundle, without the private key that was pasted with it', () => {
    const one = found(leaf.pkcs8 + leaf.certificate + root.certificate, leaf.pkcs8);
    expect(one).toEqual({ pem: new X509Certificate(leaf.certificate).toString() });
  });

  it('has other labels too, and trust settings after it', () => {
    const labelled = (label: string, der = derOf(leaf.certificate)) =>
      `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;
    expect(endOf(labelled('X509 CERTIFICATE'))).toEqual(ENDS);
    const settings = Buffer.from('300c300a06082b06010505070301', 'hex');
    expect(endOf(labelled('TRUSTED CERTIFICATE', Buffer.concat([derOf(leaf.certificate), settings])))).toEqual(ENDS);
    expect(endOf(derOf(leaf.certificate).toString('base64'))).toEqual(ENDS);
    for (const wrong of ['PUBLIC KEY', 'PRIVATE KEY', 'CERT']) expect(endOf(labelled(wrong))).toEqual(ENDS);
    expect(
      endOf(JSON.stringify({ x5c: [leaf.certificate, root.certificate].map((pem) => derOf(pem).toString('base64')) })),
    ).toEqual(ENDS);
  });

  it('that belongs to no key is refused, with what to do', () => {
    expect(found(stranger.certificate, leaf.pkcs8)).toEqual({
      says: 'does not belong to privateKey or nextPrivateKey',
      cure: expect.stringContaining('openssl x509'),
    });
  });

  it.each([
    ['a private key', leaf.pkcs8, /^is no X\.509 certificate in PEM: it is a private key$/, /BEGIN CERTIFICATE/],
    ['a public key', leaf.publicPem, /public key/, /BEGIN CERTIFICATE/],
    ['prose', 'correct horse battery staple', /^is no X\.509 certificate in PEM$/, /base64/],
    ['the name of a file', './certs/appflow.crt', /name of a file/, /what is in the file/],
    ['one cut short', leaf.certificate.slice(0, 700), /cut short, at \d+ of \d+ bytes/, /whole file/],
    ['one with a hole', body((line) => line.slice(1))(leaf.certificate), /damaged|cut short/, /whole file/],
    ['a request', '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----', /request/, /issued/],
    ['PKCS#7', '-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----', /PKCS#7/, /openssl pkcs7 -print_certs/],
    ['a PKCS#12 file', base64PKCS12(), /PKCS#12/, /openssl pkcs12 .*-nokeys/],
    [
      'a PKCS#12 file as certutil -encode frames it',
      framed('CERTIFICATE', base64PKCS12()),
      /PKCS#12/,
      /openssl pkcs12/,
    ],
    [
      'a private key in its label',
      leaf.pkcs8.replaceAll('PRIVATE KEY', 'CERTIFICATE'),
      /it is a private key/,
      /BEGIN CERTIFICATE/,
    ],
    ['a request in bare base64', REQUEST, /request/, /issued/],
  ])('is not made out of %s', (_, text, says, cure) => {
    expect(found(text)).toEqual({ says: expect.stringMatching(says), cure: expect.stringMatching(cure) });
  });
});

function framed(label: string, text: string): string {
  return `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
}

/** The shape of a request (RFC 2986 section 4.2) without most of what belongs into it. */
const REQUEST = Buffer.from('300d' + '3005020100' + '3000' + '3000' + '030200ff', 'hex').toString('base64');

/** The outermost shape of one: version 3, then the content (RFC 7292 section 4). */
function base64PKCS12(): string {
  return Buffer.from('300a020103300506030a0b0c', 'hex').toString('base64');
}

describe('a key that cannot be used', () => {
  const locked = { cipher: 'aes-256-cbc', passphrase: 'open sesame', format: 'pem' } as const;
  let pkcs8Locked = '';
  let pkcs1Locked = '';
  beforeAll(async () => {
    const { createPrivateKey } = await import('node:crypto');
    pkcs8Locked = createPrivateKey(leaf.pkcs8)
      .export({ ...locked, type: 'pkcs8' })
      .toString();
    pkcs1Locked = createPrivateKey(leaf.pkcs8)
      .export({ ...locked, type: 'pkcs1' })
      .toString();
  });

  it.each(Object.entries(ENCODINGS))('is found encrypted, %s, and the passphrase is to be removed', (_, encoded) => {
    const lockedKeys = [
      pkcs8Locked,
      pkcs1Locked,
      leaf.certificate + pkcs1Locked,
      pkcs1Locked.replaceAll('\n', '\\n'),
      pkcs1Locked.replaceAll('\n', ' '),
      pkcs8Locked.replaceAll('ENCRYPTED PRIVATE KEY', 'PRIVATE KEY'),
    ];
    for (const pem of lockedKeys)
      expect(problem(encoded(pem))).toEqual({
        says: 'is encrypted with a passphrase, which nobody is there to type',
        cure: 'Remove the passphrase, and store PLAIN.pem: openssl pkey -in KEY.pem -out PLAIN.pem',
      });
    expect(problem(encoded(derOf(pkcs8Locked).toString('base64')))?.says).toContain('passphrase');
  });

  const pemOf = (key: { export(o: { type: 'pkcs8'; format: 'pem' }): string | Buffer }) =>
    key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const block = (label: string, text = 'AAAA') => `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
  const cut = (most: number) => leaf.pkcs8.slice(0, most);

  it.each<[string, string, RegExp]>([
    ['a certificate', leaf.certificate.replaceAll('CERTIFICATE', 'PRIVATE KEY'), /^is a certificate;/],
    ['a public key', leaf.publicPem.replaceAll('PUBLIC', 'PRIVATE'), /^is a public key;/],
    ['a request', framed('PRIVATE KEY', REQUEST), /^is a certificate request;/],
    ['a PKCS#12 file', framed('RSA PRIVATE KEY', base64PKCS12()), /^is a PKCS#12 file/],
    [
      "OpenSSH's own format",
      framed('RSA PRIVATE KEY', Buffer.from('openssh-key-v1\0xx').toString('base64')),
      /^is in OpenSSH's own format/,
    ],
  ])('is called what its bytes are, whatever its label says: %s', (_, text, says) => {
    expect(problem(text)?.says).toMatch(says);
  });

  it.each<[string, RegExp]>([
    ['key: |\n  PuTTY-User-Key-File-2: ssh-rsa\n  Encryption: none', /PuTTY/],
    ['sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1l ann@host', /public key of OpenSSH/],
    ['{"kty":"RSA","e":"AQAB","n":"xx"}', /public half of a JWK/],
    ['{"keys":[{"kty":"RSA","n":"xx","d":"yy"}]}', /is a JWK/],
    ['"{\\"kty\\":\\"RSA\\",\\"d\\":\\"x\\"}"', /is a JWK/],
    ['{kty:RSA,e:AQAB,d:xx}', /is a JWK/],
    ['<RSAParameters><Modulus>x</Modulus></RSAParameters>', /XML, as \.NET/],
    ['<!DOCTYPE html><html><body>Sign in</body></html>', /page of HTML/],
    ['<html><head><script>location="/login"</script></head></html>', /page of HTML/],
    ['key: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162', /another tool/],
    [
      '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "x"\nP2/56wAA\n---- END SSH2 ENCRYPTED PRIVATE KEY ----',
      /ssh\.com/,
    ],
    ['0\ufffd\u0004\ufffd\u0002\u0001\0', /is binary/],
    ['alias/salesforce', /ARN or alias/],
    ...['$HOME/key.pem', '%USERPROFILE%\\key.pem', 'key.txt', 's3://bucket/key.pem', '\\\\server\\share\\k.pem'].map(
      (text): [string, RegExp] => [text, /name of a file/],
    ),
    ...[
      '$PRIVATE_KEY',
      'TODO',
      'null',
      'undefined',
      'N/A',
      'your-private-key',
      '(sensitive value)',
      '[object Object]',
    ].map((text): [string, RegExp] => [text, /is a placeholder/]),
    ...['@@KEY@@', '@Microsoft.KeyVault(SecretUri=x)', '....', '•••', 'var.private_key', 'op://vault/item/field'].map(
      (text): [string, RegExp] => [text, /is a placeholder/],
    ),
    ['-----END PRIVATE KEY-----', /lost its BEGIN line/],
    ['correct horse battery staple', /^is no PEM/],
  ])('is called what it is: %j', (text, says) => {
    expect(problem(text)?.says).toMatch(says);
  });

  it.each([
    ['an elliptic curve key', pemOf(elliptic.privateKey), /type ec; .*RSA alone/, /openssl req -x509 -newkey rsa/],
    ['SEC 1', sec1, /elliptic curve.*RSA/, /openssl req/],
    ['SEC 1 after its parameters', PARAMETERS + sec1, /elliptic curve.*RSA/, /openssl req/],
    ['SEC 1 in another label', sec1.replaceAll('EC PRIVATE', 'PRIVATE'), /elliptic curve.*RSA/, /openssl req/],
    ['Ed25519', pemOf(generateKeyPairSync('ed25519').privateKey), /type ed25519/, /openssl req/],
    [
      'RSA-PSS',
      pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey),
      /type rsa-pss/,
      /openssl req/,
    ],
    ['DSA', block('DSA PRIVATE KEY'), /type dsa/, /openssl req/],
    [
      '1024 bits',
      pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
      /has 1024 bits.*2048/,
      /openssl req/,
    ],
    ['parameters alone', PARAMETERS, /parameters of a key/, /BEGIN PRIVATE KEY/],
    ['a public key', leaf.publicPem, /public key.*private/, /BEGIN PRIVATE KEY/],
    [
      'a public key of PKCS#1',
      createPublicKey(leaf.publicPem).export({ type: 'pkcs1', format: 'pem' }).toString(),
      /public key/,
      /BEGIN PRIVATE KEY/,
    ],
    ['a public key in bare base64', derOf(leaf.publicPem).toString('base64'), /public key/, /BEGIN PRIVATE KEY/],
    ['a certificate', leaf.certificate, /is a certificate; the private key/, /BEGIN PRIVATE KEY/],
    ['a chain', leaf.certificate + root.certificate, /is a certificate; the private key/, /BEGIN PRIVATE KEY/],
    [
      'a certificate in bare base64',
      derOf(leaf.certificate).toString('base64'),
      /is a certificate/,
      /BEGIN PRIVATE KEY/,
    ],
    ['a certificate and its public key', leaf.publicPem + leaf.certificate, /is a certificate/, /BEGIN PRIVATE KEY/],
    ['a request', block('CERTIFICATE REQUEST'), /request/, /BEGIN PRIVATE KEY/],
    ['PKCS#7', block('PKCS7'), /PKCS#7/, /BEGIN PRIVATE KEY/],
    ['PGP', block('PGP PRIVATE KEY BLOCK'), /PGP/, /openssl req/],
    ['OpenSSH', block('OPENSSH PRIVATE KEY'), /OpenSSH/, /ssh-keygen -p -N "" -m PEM/],
    ['OpenSSH in bare base64', Buffer.from('openssh-key-v1\0xx').toString('base64'), /OpenSSH/, /ssh-keygen/],
    ['a public key of OpenSSH', 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB ann@host', /public key of OpenSSH/, /ssh-keygen/],
    ['PuTTY', 'PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: rsa-key', /PuTTY/, /puttygen/],
    ['a PKCS#12 file', base64PKCS12(), /PKCS#12/, /openssl pkcs12/],
    [
      'a PKCS#12 file without lengths',
      Buffer.from('3080020103308006092a864886f70d010701', 'hex').toString('base64'),
      /PKCS#12/,
      /openssl pkcs12/,
    ],
    ['a Java keystore', Buffer.from('feedfeed00000002', 'hex').toString('base64'), /Java keystore/, /keytool/],
    ['a Java keystore of JCE', Buffer.from('cececece00000002', 'hex').toString('base64'), /Java keystore/, /keytool/],
    ['gzip', Buffer.from('1f8b080000000000', 'hex').toString('base64'), /gzip/, /gunzip/],
    ['openssl enc', base64('Salted__12345678abcdefgh'), /openssl enc/, /Decrypt/],
    ['a JWK', '{"kty":"RSA","n":"AQAB","d":"AQAB"}', /JWK/, /pkcs8/],
    ['XML', '<RSAKeyValue><Modulus>AQAB</Modulus></RSAKeyValue>', /XML/, /ExportPkcs8/],
    ['Ansible Vault', '$ANSIBLE_VAULT;1.1;AES256\n6162', /another tool/, /Decrypt/],
    ['SOPS', 'ENC[AES256_GCM,data:abc,iv:def]', /another tool/, /Decrypt/],
    ['a file URL', 'file:///home/ann/server.key', /name of a file/, /openssl base64 -A/],
    ['a path', '~/.ssh/appflow', /name of a file/, /openssl base64 -A/],
    ['a path of Windows', 'C:\\Users\\ann\\key.pem', /name of a file/, /openssl base64 -A/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: that is what is left where nobody filled it in.
    ['a placeholder', '${tls_private_key.appflow}', /placeholder/, /Fill in/],
    ['a mask', '**********', /placeholder/, /Fill in/],
    ['an ARN', 'arn:aws:kms:eu-west-1:123456789012:key/1234', /ARN/, /kmsKeyId/],
    ['lost dashes', cut(800).replaceAll('-', ''), /dashes of its BEGIN line/, /five hyphens/],
    ['another PEM', block('X509 CRL'), /another kind/, /BEGIN PRIVATE KEY/],
    ['one cut short', cut(800), /cut short, at \d+ of \d+ bytes$/, /whole file/],
    ['one with a hole', body((line) => line.slice(1))(leaf.pkcs8), /damaged/, /whole file/],
    [
      'one with a line twice',
      leaf.pkcs8.replace(/(\n.{64})(\n.{64})/, '$1$2$2'),
      /\d+ bytes where \d+ belong/,
      /whole file/,
    ],
    ['nothing between the lines', '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----', /is empty/, /whole file/],
    ['a mask between the lines', block('PRIVATE KEY', '*****'), /is empty.*asterisks/, /whole file/],
    ['an ellipsis', block('PRIVATE KEY', 'MIIEvQ...'), /damaged.*ellipsis/, /whole file/],
    [
      'quotes and backslashes',
      block('PRIVATE KEY', '"MIIEvQIBADAN"\\'),
      /cut short.*quotes, backslashes/,
      /whole file/,
    ],
    ['a template', block('PRIVATE KEY', '{{ .Values.key }}'), /damaged.*template/, /whole file/],
    ['PEM around garbage', block('PRIVATE KEY', 'bm90IGEga2V5'), /damaged: its base64 does not decode/, /whole file/],
    ['DER of nonsense', block('PRIVATE KEY', 'MAMCAQA='), /damaged/, /whole file/],
    ['prose', 'correct horse battery staple!', /^is no PEM, nor PEM in base64$/, /whole file/],
    ['prose in base64', base64('correct horse battery staple!'), /^is no PEM, nor PEM in base64$/, /whole file/],
    ['blanks', '  \n ', /^is no PEM/, /whole file/],
  ])('is called what it is, with what to do: %s', (_, text, says, cure) => {
    for (const given of [text, ` ${text}\n`, text.replaceAll('\n', '\r\n')])
      expect(problem(given)).toEqual({ says: expect.stringMatching(says), cure: expect.stringMatching(cure) });
    expect(problem(base64(text))?.says).toMatch(/name of|placeholder|ARN/.test(says.source) ? /./ : says);
  });

  // What makes a large key is hours of a test's time: the number of bits alone decides.
  it('has at most 8,192 bits', () => {
    const length = (bytes: Buffer) => Buffer.from([0x82, bytes.length >> 8, bytes.length & 0xff]);
    const tlv = (tag: number, bytes: Buffer) => Buffer.concat([Buffer.from([tag]), length(bytes), bytes]);
    const number = (bits: number) => tlv(0x02, Buffer.concat([Buffer.from([0]), Buffer.alloc(bits / 8, 0xff)]));
    const rsa = (bits: number) =>
      tlv(
        0x30,
        Buffer.concat([
          Buffer.from([2, 1, 0]),
          number(bits),
          Buffer.from([2, 3, 1, 0, 1]),
          number(bits),
          ...Array.from({ length: 5 }, () => number(bits / 2)),
        ]),
      );
    const pem = (bits: number) => block('RSA PRIVATE KEY', rsa(bits).toString('base64'));
    expect(problem(pem(8_200))?.says).toBe('has 8200 bits; at most 8192 are taken, since signing would take too long');
    expect(problem(pem(8_192))?.says).toMatch(/does not verify/);
    const longer = 'is longer than a key of 8192 bits, the most that is taken';
    for (const bits of [9_600, 16_384, 16_392, 32_768, 65_536]) {
      expect(problem(pem(bits))?.says).toBe(longer);
      expect(problem(`PRIVATE KEY-----x-\n${pem(bits)}`)?.says).toBe(longer);
      // OpenSSL keeps a list of errors, and Node may find there what belongs to the key before. Another text is no kept key.
      expect(problem(`${leaf.pkcs8}# ${bits}\n`)).toBeUndefined();
    }
  });

  it('never has its text repeated', () => {
    fc.assert(
      fc.property(anyText, fc.base64String({ minLength: 8 }), (text, some) => {
        for (const one of [text, some, `-----BEGIN ${some.slice(0, 12).toUpperCase()}-----\n${text}\n-----END`]) {
          const said = problem(one);
          if (said === undefined) throw new Error('It is no key.');
          if (one.trim().length >= 8) expect(said.says + said.cure).not.toContain(one.trim());
          expect(said.says + said.cure).not.toContain(some);
        }
      }),
    );
  });
});
