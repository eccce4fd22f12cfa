import { type Command, Option } from 'commander';
import { formatAddress, parseHostPort } from '../config/address.ts';
import { reachable, type ScrapeEngine, scrapeConfig } from '../metrics/scrape-config.ts';
import { readPlan, wholeSeconds, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';

interface Options {
  config: string;
  engine: ScrapeEngine;
  edge?: string[];
  gateway?: string;
  interval: string;
  tenants?: boolean;
}

export function scrapeConfigCommand(program: Command): void {
  withConfig(program.command('scrape-config'))
    .description("print the storage tier's scrape configuration")
    .addOption(
      new Option('--engine <name>', 'for which one')
        .choices(['victoria-metrics', 'prometheus'])
        .default('victoria-metrics'),
    )
    .option(
      '--edge <host:port...>',
      "the edges' metrics addresses, as the scraper reaches them; default: metrics.listen",
    )
    .option('--gateway <host:port>', "the gateway's own metrics address, likewise; default: gateway.metrics")
    .option('--tenants', "for a cluster: each organization's series go to its tenant")
    .option('--interval <duration>', 'time between scrapes', '15s')
    .action(async ({ config, engine, edge, gateway, interval, tenants = false }: Options) => {
      const plan = await readPlan(config);
      if (plan === null) return void (process.exitCode = exitCode.usage);
      const edges = (edge ?? [formatAddress(reachable(plan.metrics))]).map(parseHostPort);
      const own =
        gateway === undefined ? (plan.gateway ? reachable(plan.gateway.metrics) : null) : parseHostPort(gateway);
      const seconds = wholeSeconds(interval);
      if (edges.includes(undefined)) return refuse('--edge: write "host:port", an IPv6 address in brackets');
      if (own === undefined) return refuse('--gateway: write "host:port", an IPv6 address in brackets');
      if (seconds === null) return refuse('--interval: write "15s", at least a second');
      process.stdout.write(
        scrapeConfig({
          engine,
          edges: edges.map((address) => formatAddress(address!)),
          gateway: own === null ? null : formatAddress(own),
          tenants,
          interval: seconds,
        }),
      );
    });
}

function refuse(message: string): void {
  complain(message);
  process.exitCode = exitCode.usage;
}
