/*
 * Spellings of `/premium` that some origin might read as `/premium`: every way to come near it, with every way to write the
 * name, with every way to go on after it, two by two. And what three kinds of origin make of a path.
 */

const APPROACHES = [
  ...['/', '//', '///', '/./', '/.//', '/x/../', '/free/../', '/free/x/../../', '/free/./../', '\\', '/\\', '/free\\..\\', '/free/..\\'],
  ...['%2f', '/%2f', '/%2F', '/%5c', '/%2e/', '/%2E/', '/free/%2e%2e/', '/free/.%2e/', '/free/%2E./', '/free/..%2f', '/free%2f..%2f'],
  ...['/free/%5c..%5c', '/free/%252e%252e/', '/free/..%252f', '/;/', '/;x/', '/.;/', '/free/..;/', '/free/..;x=1/', '/free/..%3b/'],
  ...[
    '/..%c0%af',
    '/free/..%c0%af',
    '/%c0%ae/',
    '/free/%c0%ae%c0%ae/',
    '/%00/',
    '/ /',
    '/%20/',
    '/free/x?/../',
    '/free/x%3f/../',
    '/free/x#/../',
  ],
  ...[
    'http://other/',
    'http://gateway.test/free/../',
    'http://gateway.test//',
    '//gateway.test/',
    '/free/..../',
    '/free/.. /',
    '/free/..%20/',
  ],
];

const NAMES = [
  ...[
    'premium',
    'Premium',
    'PREMIUM',
    'pRemium',
    '%70remium',
    'premiu%6d',
    'premiu%6D',
    '%70%72%65%6d%69%75%6d',
    '%50remium',
    '%2570remium',
  ],
  ...[
    '%u0070remium',
    '%ef%bd%90remium',
    'premi\\u0075m',
    'prem%00ium',
    'prem%0aium',
    'pre%6dium;x',
    'prémium',
    'premium%cc%81',
    'prem;x=1ium',
  ],
];

const ENDINGS = [
  ...[
    '',
    '/',
    '//',
    '/.',
    '/./',
    '/..',
    '/../premium',
    '/x/..',
    '/x/../',
    '/..;/premium',
    '/%2e',
    '/%2e%2e/premium',
    ';',
    ';x',
    ';x=1',
    ';/x',
  ],
  ...[
    '%3b',
    '%3bx',
    '.',
    '..',
    '...',
    '. .',
    '%20',
    ' ',
    '%09',
    '%00',
    '%00.html',
    '%2f',
    '%2F',
    '%5c',
    '\\',
    '/x',
    '/x/y',
    '?',
    '?x',
    '?x=/../',
    '#',
  ],
  ...['#x', '%23', '%3f', '%3fx', '%c0%af', '%ef%bc%8f', '.%20', '%252f', '::$DATA', '%0d%0a', '&x', '*'],
];

/** At least 500 targets of a request line; deterministic. */
export const HOSTILE_TARGETS: readonly string[] = [
  ...new Set([
    ...APPROACHES.flatMap((approach) => NAMES.map((name) => approach + name)),
    ...APPROACHES.flatMap((approach) => ENDINGS.map((ending) => `${approach}premium${ending}`)),
    ...NAMES.flatMap((name) => ENDINGS.map((ending) => `/${name}${ending}`)),
  ]),
];

/** What each kind of server makes of a path. */
export const ORIGINS: Readonly<Record<string, (path: string) => string>> = {
  nginx: (path) => resolveDots(decode(path).replace(/\/+/g, '/')),
  express: (path) => decode(path).toLowerCase().replace(/\/+$/, ''),
  tomcat: (path) =>
    resolveDots(
      decode(path.replace(/;[^/]*/g, ''))
        .replaceAll('\\', '/')
        .replace(/\/+/g, '/'),
    ),
};

/** The kinds of origin for which a target means `/premium` or something below it. */
export function readersOf(target: string): readonly string[] {
  const path = target.replace(/^http:\/\/[^/]*/, '').split(/[?#]/)[0]!;
  return Object.keys(ORIGINS).filter((kind) => /^\/premium(\/|$)/.test(ORIGINS[kind]!(path)));
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function resolveDots(path: string): string {
  const kept: string[] = [];
  for (const part of path.split('/').slice(1)) {
    if (part === '..') kept.pop();
    else if (part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
}
