/**
 * Ways to see another organization's series, each as the bytes that a client with a good token of `alpha` sends. What
 * must not come back are the word `secret`, which only beta's series have, and 86753.09, a value of beta's.
 */

export interface Target {
  /** Of the gateway, and of the engine: `127.0.0.1:PORT`. */
  host: string;
  engine: string;
  token: string;
}

export interface Breakout {
  name: string;
  bytes: (target: Target) => string;
  /** The same for the engine itself: it tells. */
  direct?: { path: string; form: [string, string][] };
}

const query = 'api/v1/query';

const request =
  (method: string, path: string, headers: string[], body = '') =>
  (target: Target) =>
    [
      `${method} ${path} HTTP/1.1`,
      `Host: ${target.host}`,
      `Authorization: ${target.token}`,
      'Connection: close',
      ...headers.map((header) => header.replace('ENGINE', target.engine)),
      ...(body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`]),
      '',
      body,
    ].join('\r\n');

const form = 'Content-Type: application/x-www-form-urlencoded';
const get = (path: string, ...headers: string[]) => request('GET', path, headers);
const post = (path: string, body: string, ...headers: string[]) => request('POST', path, [form, ...headers], body);
const alpha = '/prometheus/alpha';

/** Texts that ask for everything, or for beta's by name: the engine alone would tell. */
const texts = [
  '{org="beta"}',
  '{org!="alpha"}',
  '{org=~"alpha|beta"}',
  '{org=~".*"}',
  '{__name__!=""}',
  '{__name__=~".+"}',
  '{app!="shop"}',
  '{word!=""}',
  'vault',
  '{__name__="vault"}',
  'vault{org=~".+"}',
  'vault or vault{org="beta"}',
  'union(vault, shop_stock)',
  '(vault, shop_stock)',
  'sum(vault) by (app, word)',
  'group(vault) by (word)',
  'count_values("word", vault)',
  'topk(5, vault)',
  'sort(vault)',
  'label_set(vault, "org", "alpha")',
  'label_replace(vault, "org", "alpha", "org", ".*")',
  'label_del(vault, "org")',
  'alias(vault, "shop_stock")',
  'last_over_time(vault[5m])',
  'max_over_time(vault[5m:1s])',
  'vault offset 1s',
  'vault @ end()',
  'WITH (f = {org="beta"}) {f}',
  '{__graphite__="vault"}',
  'vault # {org="alpha"}',
  'shop_stock{org="beta"}',
];

/** What has a meaning in other versions, or looks as if. */
const oddTexts = [
  'WITH (org = "beta") vault{org="beta"}',
  'vault{org="alpha" or org="beta"}',
  'shop_stock and on() vault',
  'shop_stock * on() group_left(word) vault',
  'vault keep_metric_names',
  'vault{org="alpha"}} or {org="beta"}',
  'vault{extra_filters="{}"}',
  '{__name__=~"va\\u006clt"}',
  'vault\u0000{org="alpha"}',
];

const encoded = encodeURIComponent('vault{org="beta"}');

/** In place of the engine's own parameters, or beside them. */
const parameters = [
  'extra_filters[]={org="beta"}',
  'extra_filters%5B%5D=%7Borg%3D%22beta%22%7D',
  'extra_filters%5b%5d=%7Borg%3D%22beta%22%7D',
  'extra_filters={org="beta"}',
  'extra_filters[0]={org="beta"}',
  'extra_filters[][]={org="beta"}',
  'EXTRA_FILTERS[]={org="beta"}',
  'extra%5Ffilters[]={org="beta"}',
  'extra_filters%255B%255D={org="beta"}',
  '%20extra_filters[]={org="beta"}',
  '+extra_filters[]={org="beta"}',
  'extra_filters[]%00={org="beta"}',
  'extra_label=org=beta',
  'extra_label[]=org=beta',
  'extra_filters[]',
  'accountID=2',
  'tenant=2',
  'db=beta',
  'match[]=vault',
  'query=vault',
  'time=1;extra_filters[]={org="beta"}',
  'time=1%26extra_filters[]={org="beta"}',
  'timeout=1s%26extra_filters%5B%5D=%7B%7D',
  'step=1%0d%0aextra_filters[]={}',
  '&&=&extra_filters[]={}',
  '?extra_filters[]={}',
  'trace=1',
];

const paths = [
  `${alpha}/../beta/${query}?query=vault`,
  `${alpha}/%2e%2e/beta/${query}?query=vault`,
  `${alpha}/..%2fbeta/${query}?query=vault`,
  `${alpha}%2f..%2fbeta/${query}?query=vault`,
  `${alpha}/..;/beta/${query}?query=vault`,
  `${alpha}\\..\\beta/${query}?query=vault`,
  `/prometheus/alpha,beta/${query}?query=vault`,
  `/prometheus/alpha%00beta/${query}?query=vault`,
  `/prometheus/beta/${query}?query=vault`,
  `/prometheus/BETA/${query}?query=vault`,
  `/prometheus/*/${query}?query=vault`,
  `/prometheus//${query}?query=vault`,
  `/prometheus/${query}?query=vault`,
  `//prometheus/alpha/${query}?query=vault`,
  `/${query}?query=vault`,
  `/select/0/prometheus/${query}?query=vault`,
  `${alpha}/../../${query}?query=vault`,
  `${alpha}/api/v1/label/../../query/values?query=vault`,
  `${alpha}/api/v1/label/word%2fvalues%3fx=/values`,
  `${alpha}/api/v1/label/word/values/../../../query?query=vault`,
  `${alpha}/api/v1/export?match[]=vault`,
  `${alpha}/api/v1/export/csv?format=__name__&match[]=vault`,
  `${alpha}/api/v1/export/native?match[]=vault`,
  `${alpha}/api/v1/series/count`,
  `${alpha}/api/v1/metadata`,
  `${alpha}/api/v1/status/active_queries`,
  `${alpha}/api/v1/status/top_queries`,
  `${alpha}/api/v1/targets`,
  `${alpha}/api/v1/rules`,
  `${alpha}/render?target=vault`,
  `${alpha}/metrics/find?query=*`,
  `${alpha}/graphite/render?target=vault`,
  `${alpha}/prometheus/${query}?query=vault`,
  `${alpha}/vmui`,
  `${alpha}/targets`,
  `${alpha}/config`,
  `${alpha}/flags`,
  `${alpha}/metrics`,
  `${alpha}/debug/pprof/heap`,
  `${alpha}/snapshot/create`,
  `${alpha}/federate/?match[]=vault`,
  `${alpha}/federate%3fmatch[]=vault`,
  `${alpha}/${query}#/../../beta/${query}?query=vault`,
  '/federate?match[]=vault',
  '/targets',
  '/metrics',
];

const multipart = [
  '--x',
  'Content-Disposition: form-data; name="query"',
  '',
  'vault',
  '--x',
  'Content-Disposition: form-data; name="extra_filters[]"',
  '',
  '{org="beta"}',
  '--x--',
  '',
].join('\r\n');

const smuggled = (target: Target) => `GET /${query}?query=vault HTTP/1.1\r\nHost: ${target.engine}\r\n\r\n`;

export const breakouts: Breakout[] = [
  ...texts.map(
    (text): Breakout => ({
      name: `query ${text}`,
      bytes: get(`${alpha}/${query}?query=${encodeURIComponent(text)}`),
      direct: { path: query, form: [['query', text]] },
    }),
  ),
  ...oddTexts.map(
    (text): Breakout => ({
      name: `query ${JSON.stringify(text)}`,
      bytes: get(`${alpha}/${query}?query=${encodeURIComponent(text)}`),
    }),
  ),
  ...['vault', '{org="beta"}', '{word!=""}'].map(
    (text): Breakout => ({
      name: `query_range ${text}`,
      bytes: post(`${alpha}/api/v1/query_range`, `query=${encodeURIComponent(text)}&start=-1m&step=5s`),
      direct: {
        path: 'api/v1/query_range',
        form: [
          ['query', text],
          ['start', '-1m'],
          ['step', '5s'],
        ],
      },
    }),
  ),
  ...[
    ['series', [['match[]', 'vault']]],
    [
      'series',
      [
        ['match[]', '{org="alpha"}'],
        ['match[]', '{org="beta"}'],
      ],
    ],
    ['label/word/values', []],
    ['label/app/values', [['match[]', '{org="beta"}']]],
    ['label/instance/values', [['match[]', '{__name__!=""}']]],
    [
      'status/tsdb',
      [
        ['topN', '1000'],
        ['match[]', '{org="beta"}'],
      ],
    ],
    [
      'status/tsdb',
      [
        ['topN', '1000'],
        ['focusLabel', 'word'],
      ],
    ],
  ].map(([path, form]): Breakout => {
    const text = new URLSearchParams(form as [string, string][]);
    return {
      name: `${path} ${text}`,
      bytes: get(`${alpha}/api/v1/${path}?${text}`),
      direct: { path: `api/v1/${path}`, form: form as [string, string][] },
    };
  }),
  {
    name: 'federate everything',
    bytes: get(`${alpha}/federate?match[]=vault&match[]=%7B__name__!=%22%22%7D`),
    direct: { path: 'federate', form: [['match[]', '{__name__!=""}']] },
  },
  ...parameters.flatMap((parameter): Breakout[] => [
    { name: `URL with ${parameter}`, bytes: get(`${alpha}/${query}?query=${encoded}&${parameter}`) },
    { name: `form with ${parameter}`, bytes: post(`${alpha}/${query}`, `${parameter}&query=${encoded}`) },
    { name: `federate with ${parameter}`, bytes: get(`${alpha}/federate?match[]=${encoded}&${parameter}`) },
  ]),
  ...paths.map((path): Breakout => ({ name: `path ${path}`, bytes: get(path) })),
  { name: 'absolute-form', bytes: (target) => get(`http://${target.engine}/${query}?query=vault`)(target) },
  {
    name: 'multipart',
    bytes: request('POST', `${alpha}/${query}`, ['Content-Type: multipart/form-data; boundary=x'], multipart),
  },
  {
    name: 'multipart and a form',
    bytes: post(`${alpha}/${query}`, multipart, 'Content-Type: multipart/form-data; boundary=x'),
  },
  {
    name: 'JSON',
    bytes: request('POST', `${alpha}/${query}`, ['Content-Type: application/json'], '{"query":"vault"}'),
  },
  { name: 'a body without type', bytes: request('POST', `${alpha}/${query}`, [], `query=${encoded}`) },
  { name: 'a GET with a form', bytes: request('GET', `${alpha}/${query}`, [form], 'query=vault&extra_filters[]={}') },
  ...['PUT', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND'].map(
    (method): Breakout => ({
      name: `method ${method}`,
      bytes: request(method, `${alpha}/${query}?query=vault`, []),
    }),
  ),
  ...[
    'Host: ENGINE',
    'X-Scope-OrgID: beta',
    'X-Original-URL: /api/v1/query?query=vault',
    'X-Rewrite-URL: /api/v1/query?query=vault',
    'X-Forwarded-Prefix: /prometheus/beta',
    'X-HTTP-Method-Override: PUT',
    'AccountID: 2',
    'X-Prometheus-Scrape-Timeout-Seconds: 1',
    'Authorization: Bearer x',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: identity',
    'Upgrade: websocket\r\nConnection: Upgrade',
    'Expect: 100-continue',
    'X: y\r\n extra_filters[]={}',
    'X: y\n\nGET /api/v1/query?query=vault HTTP/1.1',
  ].map(
    (header): Breakout => ({
      name: `header ${JSON.stringify(header)}`,
      bytes: get(`${alpha}/${query}?query=${encoded}`, header),
    }),
  ),
  {
    name: 'a second request behind a length',
    bytes: (target) => {
      const body = `0\r\n\r\n${smuggled(target)}`;
      return request('POST', `${alpha}/${query}?query=${encoded}`, [form, 'Transfer-Encoding: chunked'], body)(target);
    },
  },
  {
    name: 'a second request after a short length',
    bytes: (target) =>
      `POST ${alpha}/${query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${target.token}\r\n${form}\r\nContent-Length: 0\r\n\r\n${smuggled(target)}`,
  },
  {
    name: 'a second, pipelined request for beta without a token',
    bytes: (target) =>
      `GET ${alpha}/${query}?query=vault HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${target.token}\r\n\r\nGET /prometheus/beta/${query}?query=vault HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  },
  { name: 'a line feed in the path', bytes: get(`${alpha}/${query}?query=vault\nX: y`) },
  { name: 'bytes over 127 in the path', bytes: get(`${alpha}/${query}?query=vault\xc0\xaf`) },
];
