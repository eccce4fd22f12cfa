import type { Random } from './random.ts';

/** Messages from the grammar of RFC 9112 with odd choices everywhere, then bytes changed at random. All text is latin1. */

const words = ['a', 'bc', 'text/html', 'x, y', 'W/"1"', 'gzip;q=0.5', 'k=v; l=w', '0', '12', ''];
const oddWords = ['caf\xe9', 'a\tb', 'a\0b', 'a\x7fb', 'a\x01', 'a\r\n b', 'a\nb', 'a\rb', ' \t ', '"'];
const names = ['Accept', 'User-Agent', 'X-A', 'Cookie', 'Date', 'Via', 'Fly-Region', 'TE', 'Trailer', 'Keep-Alive'];
const oddNames = ['X A', 'X-A ', '', 'X(A)', '\xe9', ' X', '\tX', 'Proxy-Connection', "!#$%&'*+-.^_`|~"];
const hosts = ['example.com', 'example.com:8080', 'EXAMPLE.com', '[::1]', '[::1]:80', '127.0.0.1', 'a_b.c'];
const oddHosts = ['', 'a b', 'a@b', 'a/b', 'a:x', 'a:', '[::1', 'a:99999', 'a,b', '%61', 'a\x80'];
const lengths = ['0', '1', '5', '12', '40', '007'];
const oddLengths = [
  '-1',
  '+5',
  '5, 5',
  '5 5',
  '0x5',
  '',
  '1e1',
  '99999999999999999999',
  '9007199254740992',
  '5;',
  '1_0',
];
const codings = ['chunked', 'Chunked', 'gzip, chunked'];
const oddCodings = [
  'gzip',
  'identity',
  'chunked, gzip',
  'chunked, chunked',
  ', chunked',
  'chunked;a',
  '"chunked"',
  'xchunked',
  '',
];
const connections = [
  'close',
  'keep-alive',
  'Keep-Alive',
  'upgrade',
  'Upgrade, close',
  'keep-alive, Upgrade',
  'TE',
  'X-A, close',
];
const oddConnections = [
  '',
  ',',
  'close,,',
  'close keep-alive',
  'content-length',
  'closed',
  'keep-alive, close',
  'cl\tose',
];
const colons = [': ', ': ', ':', ':  '];
const oddColons = [':\t', ':\t', ':\t', ' : ', ' :', '', '::'];

function field(random: Random, name: string, value: string): string {
  const spelled = random.chance(20) ? name.toUpperCase() : random.chance(20) ? name.toLowerCase() : name;
  const colon = random.mostly(colons, oddColons, 4);
  return `${spelled}${colon}${value}${random.mostly([''], [' ', '\t'], 4)}${random.mostly(['\r\n'], ['\n', '\r', '\r\r\n'], 1)}`;
}

function someFields(random: Random, most: number): string[] {
  return Array.from({ length: random.int(most) }, () =>
    field(random, random.mostly(names, oddNames, 3), random.mostly(words, oddWords, 4)),
  );
}

const payload = (random: Random, length: number): string => {
  let bytes = '';
  while (bytes.length < length) bytes += random.pick(['x', '\r\n', '0\r\n\r\n', 'GET / ', '\0', '\xff', ':']);
  return bytes.slice(0, length);
};

/** A chunked body (RFC 9112 7.1). */
export function chunkedBody(random: Random): string {
  const end = (): string => random.mostly(['\r\n'], ['\n', '\r', '', '\r\r\n', ' \r\n'], 1);
  const extension = (): string =>
    random.mostly(
      ['', '', '', ';a', ';a=b', ';a="b c"', ';a="b\\"c";d=e', ';a;b'],
      [';', ';;', ';=', ';a=', ' ;a', '; a', ';a =b', ';a="b', ';a="b"c', ' ', ';a="\xe9"', ';a=\x01', ';a\nb'],
      5,
    );
  let body = '';
  for (let chunks = random.int(4); chunks > 0; chunks--) {
    const length = 1 + random.int(20);
    const size = random.mostly(
      [length.toString(16), length.toString(16).toUpperCase(), `0${length.toString(16)}`],
      [
        `0x${length.toString(16)}`,
        `+${length}`,
        ` ${length}`,
        '',
        'g',
        'fffffffffffffffff',
        '20000000000000',
        (length + 1).toString(16),
      ],
      3,
    );
    body += size + extension() + end() + payload(random, length) + end();
  }
  body += random.mostly(['0', '0', '000'], ['', '-0', '0 '], 3) + extension() + end();
  if (random.chance(20)) body += someFields(random, 3).join('');
  if (random.chance(2)) body += field(random, random.pick(['Content-Length', 'Transfer-Encoding', 'Host']), '5');
  return body + end();
}

/** The fields that say how a body ends, and a body that mostly fits them. */
function framed(random: Random): { fields: string[]; body: string } {
  const fields: string[] = [];
  let body = '';
  const kind = random.int(10);
  if (kind >= 4 && kind < 7) {
    const value = random.mostly(lengths, oddLengths, 10);
    fields.push(field(random, 'Content-Length', value));
    body = payload(random, Number.parseInt(value, 10) > 100 ? 3 : Number.parseInt(value, 10) || 0);
  }
  if (kind >= 7 || random.chance(2)) {
    fields.push(field(random, 'Transfer-Encoding', random.mostly(codings, oddCodings, 10)));
    body = chunkedBody(random);
  }
  if (fields.length > 0 && random.chance(2)) fields.push(random.pick(fields));
  return { fields, body };
}

function shuffled(random: Random, fields: string[]): string {
  for (let i = fields.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [fields[i], fields[j]] = [fields[j], fields[i]];
  }
  return fields.join('');
}

function connectionFields(random: Random): string[] {
  const fields: string[] = [];
  if (random.chance(40)) fields.push(field(random, 'Connection', random.mostly(connections, oddConnections)));
  if (random.chance(5)) fields.push(field(random, 'Connection', random.mostly(connections, oddConnections)));
  if (random.chance(15)) fields.push(field(random, 'Upgrade', random.pick(['websocket', 'h2c', ''])));
  return fields;
}

export function request(random: Random): string {
  const host = random.mostly(hosts, oddHosts, 5);
  const method = random.mostly(
    ['GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH'],
    ['BREW', 'get', 'CONNECT', 'PRI', 'PROPFIND', 'GE T', 'G(T', '', 'M-SEARCH', 'QUERY', 'ANNOUNCE'],
  );
  const target = random.mostly(
    ['/', '/a', '/a/b?c=d', '/%20', '*', `http://${host}/a`, `https://${host}`, `HTTP://${host}?q`, '//x/y'],
    [
      '',
      'a',
      '/a#b',
      '/\xe9',
      '/a b',
      'http://other.example/',
      'http://u@example.com/',
      'ftp://a/',
      'example.com:443',
      '?q',
      '/\x01',
      'http:///',
    ],
  );
  const version = random.mostly(
    ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'],
    ['HTTP/2.0', 'HTTP/1.2', 'HTTP/0.9', 'http/1.1', 'HTTP/1.1 ', 'HTTP/11', ''],
    5,
  );
  const { fields, body } = framed(random);
  fields.push(...someFields(random, 5), ...connectionFields(random));
  if (!random.chance(5)) fields.push(field(random, 'Host', host));
  if (random.chance(2)) fields.push(field(random, 'Host', random.pick(hosts)));
  if (random.chance(5)) fields.push(field(random, 'Expect', random.pick(['100-continue', '100-Continue', 'x'])));
  const gap = random.mostly([' '], ['  ', '\t', ''], 2);
  const lead = random.mostly([''], ['\r\n', '\r\n\r\n', '\n', ' ', '\r'], 4);
  return `${lead}${method}${gap}${target}${gap}${version}\r\n${shuffled(random, fields)}\r\n${body}`;
}

export function response(random: Random): string {
  const status = random.mostly(
    ['200', '200', '404', '204', '304', '101', '100', '103', '500', '599'],
    ['99', '600', '20', '2000', '999', '000', '-20', 'abc', ''],
    5,
  );
  const reason = random.mostly([' OK', ' Not Found', ' ', ''], [' caf\xe9', ' a\tb', '  OK', '\tOK', ' a\0b'], 5);
  const version = random.mostly(
    ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'],
    ['HTTP/2.0', 'HTTP/1.2', 'ICY', 'http/1.1', 'RTSP/1.0'],
    4,
  );
  const { fields, body } = framed(random);
  fields.push(...someFields(random, 5), ...connectionFields(random));
  return `${random.mostly([''], ['\r\n', ' '], 1)}${version} ${status}${reason}\r\n${shuffled(random, fields)}\r\n${body}`;
}

const insertions = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  '\0',
  '\x7f',
  '\xff',
  '0',
  ',',
  ';',
  '"',
  'A',
  '\x0b',
  '#',
  '@',
];

/** One to three changes at random places. */
export function mutate(random: Random, text: string): string {
  for (let changes = 1 + random.int(3); changes > 0; changes--) {
    const at = random.int(text.length + 1);
    const length = random.int(4);
    switch (random.int(5)) {
      case 0:
        text = text.slice(0, at) + text.slice(at + 1 + length);
        break;
      case 1:
        text = text.slice(0, at) + random.pick(insertions) + text.slice(at);
        break;
      case 2:
        text = text.slice(0, at) + random.pick(insertions) + text.slice(at + 1);
        break;
      case 3:
        text = text.slice(0, at + length) + text.slice(at);
        break;
      default:
        text = text.slice(0, at) + String.fromCharCode(random.int(256)) + text.slice(at + 1);
    }
  }
  return text;
}
