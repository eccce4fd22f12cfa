/** Writes docs/metrics.md from the four catalogues: `npm run docs`. */

import { writeFileSync } from 'node:fs';
import { defaultBuckets } from '../base/buckets.ts';
import { bornStatuses } from './catalogue.ts';
import { allSeries, type SeriesInfo } from './series.ts';

export const documentPath = new URL('../../docs/metrics.md', import.meta.url);

const code = (text: string): string => `\`${text}\``;
const of = (scope: SeriesInfo['scope']): SeriesInfo[] => allSeries.filter((series) => series.scope === scope);

const section = ({ name, help, type, unit, labels, source, query }: SeriesInfo): string => `### \`${name}\`

${help}

| type | unit | labels | source |
|---|---|---|---|
| ${type} | ${unit} | ${labels.map(code).join(', ')} | ${source} |

\`\`\`promql
${query}
\`\`\`
`;

const sections = (scope: SeriesInfo['scope']): string => of(scope).map(section).join('\n');

/** For scopes with many series, which share their first labels. */
const table = (scope: SeriesInfo['scope']): string =>
  `| name | type | own labels | unit | meaning | source | example |
|---|---|---|---|---|---|---|
${of(scope)
  .map(({ name, type, own, unit, help, source, query }) =>
    [code(name), type, own.map(code).join(', '), unit, help, source, code(query)]
      .map((cell) => cell.replaceAll('|', '\\|'))
      .join(' | '),
  )
  .map((row) => `| ${row} |\n`)
  .join('')}`;

/** The whole of docs/metrics.md. */
export const document =
  (): string => `<!-- Made by \`npm run docs\` from the catalogues in src/metrics: change it there. -->

# Series

\`GET /metrics\` on the metrics port gives them in Prometheus' text format 0.0.4, whatever \`Accept\` says: OpenMetrics would
rename the counters. gzip is used when the scraper accepts it. \`GET /metrics?org=SLUG\` gives the series of one
organization's apps alone, with \`part=N\` one of the parts that \`/sd\` lists; an unknown organization or part is a 404. \`GET /sd\` lists what there is to scrape, the apps' own
endpoints among it ([storage.md](storage.md)). \`GET /healthz\` answers 200 while a slot serves, else 503.
Eight scrapes may run at once; one more gets a 503.

## Labels

| label | value |
|---|---|
| \`app\` | the app; empty for what never named a known one (an unknown Host, a connection without a request) |
| \`region\`, \`host\` | of this machine, from edge.toml |
| \`instance\` | the instance; not on \`fly_edge_*\`, \`fly_slot_*\` and \`fly_volume_*\` |
| \`proxy_id\` | the slot that counted, or that is told about: \`blue\` or \`green\`; on \`fly_edge_*\`, \`fly_app_*\` and \`fly_slot_*\` |
| \`org\` | in the storage tier: the organization |
| \`status\` | of a response: the number, when it is registered with IANA; else its class, \`2xx\`, \`3xx\`, \`4xx\` or \`5xx\`, and \`other\` beyond: an app that answers any number has at most 65 values, and \`status=~"5.."\` finds its class too. The access log has the number |

Nothing that a stranger sends becomes a label. A series of \`app=""\` belongs to no organization: it is on the whole page,
and on that of an organization with \`operator = true\`.

## Two slots, one total

A restart or a change of configuration starts the other slot, and both count for a while. Each colour's series are
totals of all generations that it ever had: they go on from where they were when the colour comes back, and no counter or
bucket falls while the supervisor lives. So take rates first, then sum the colours away, as all examples here do:

\`\`\`promql
sum without (proxy_id) (rate(fly_edge_http_responses_count[5m]))
\`\`\`

A gauge belongs to a generation that lives: it is shown, at 0 too, for a colour with one, and is gone with the
last. Its value is the sum over the workers of that colour, so \`sum without (proxy_id)\` is the value of the instance.

When a worker dies, its gauges go with it and the connections that it still had open are counted as disconnects:
connects − disconnects stays the number of open connections.

## Born at 0

A counter that is first seen at 500 has never increased, as far as \`increase()\` can tell. So every counter without a label
of its own is exposed at 0 from the first scrape, in both colours, and so are

- \`fly_edge_http_responses_count\` for the statuses ${bornStatuses.edge.join(', ')};
- \`fly_app_http_responses_count\` for ${bornStatuses.app.join(', ')};
- \`fly_slot_flips_count\` and \`fly_slot_worker_restarts_count\` for every result and reason;
- \`fly_edge_error_count\` for every code, and \`fly_edge_tls_handshake_errors\` for the empty \`servername\`.

Other statuses, server names and TLS versions come up with their first event, in both colours at once.

## How long series live

All series of an app, and all of an instance, live while any worker of either slot has it. When none has (an
instance that was replaced), they stay for ten minutes after their last change, so that every scraper has seen the last
values, and disappear whole: all statuses and both colours at once.

## Buckets

All histograms share one set of bounds, in seconds:

\`\`\`
${defaultBuckets.join(', ')}
\`\`\`

They run from half a millisecond, which a fast instance on the same network needs, to five minutes, the longest
that a request usually waits for anything, in steps of 2 to 3: a quantile that is interpolated within a bucket is
off by less than one step. Each bound costs one series for each app, instance and status in each colour, which is why there are
${defaultBuckets.length} and not a hundred. \`buckets\` under \`[metrics]\` in edge.toml replaces them. A bucket's bound belongs to it (\`le\`), \`_count\` is
the sum of the buckets, and \`_sum\` is in seconds.

## The side towards clients

${sections('edge')}
## The side towards instances

${sections('app')}
## The slots

Names of our own, beside the given ones. They belong to no app, so they are on the whole page and the operator's only.

${sections('slot')}
## Volumes

On the edge's page, by \`[[volumes]]\` of edge.toml ([volumes.md](volumes.md)). Standard labels: \`app\`, \`region\`, \`host\`.

${sections('volume')}
## Instances

From the instance's [agent](agent.md). Standard labels: \`app\`, \`region\`, \`host\`, \`instance\`, which come from \`/sd\`. Gauges in
bytes and counters as the kernel has them: a counter begins anew when the instance does.

${table('instance')}
## Postgres

From Debian's postgres_exporter beside the instance ([postgres.md](postgres.md)), as it exports them. Standard labels: \`app\`,
\`region\`, \`host\`, \`instance\`, which come from \`/sd\`.

${table('postgres')}
## The supervisor itself

The whole page ends with series of the supervisor's own process by their usual names: \`process_*\` (CPU, memory,
descriptors, start time) and \`nodejs_*\` (event loop, heap, garbage collection), and \`fly_supervisor_build_info{version}\`,
which is 1. They have none of the labels above, and begin anew with the process: at an upgrade too.
`;

if (import.meta.main) writeFileSync(documentPath, document());
