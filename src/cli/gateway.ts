import { once } from 'node:events';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { formatAddress, isLoopback } from '../config/address.ts';
import { type ServedPlan, servedPlan } from '../config/gateway-plan.ts';
import type { Follower as GatewayFollower } from '../gateway/follower.ts';
import { furtherFlagsFault } from '../gateway/further-flags.ts';
import { eventLog } from '../log/log.ts';
import { readPlan, wholeSeconds, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';
import { lastLines } from './last-lines.ts';
import { scraperBeside } from './scraper-beside.ts';
import { endings } from './signals.ts';
import { installedScraper } from './storage-programs.ts';

interface Options {
  config: string;
  engine?: string;
  scraper?: string;
  data?: string;
  interval: string;
}

export function gatewayCommand(program: Command): void {
  withConfig(program.command('gateway'))
    .description('run the query API in front of the storage tier, in the foreground until SIGTERM or SIGINT')
    .option('--engine <path>', 'start victoria-metrics too, where gateway.storage says, and again whenever it ends')
    .option(
      '--scraper <path>',
      'with --engine: vmagent, which scrapes beside it; or none; default: where it is installed',
    )
    .option('--data <folder>', 'with --engine: its data; default: victoria-metrics beside gateway.keys')
    .option('--interval <duration>', 'with --engine: time between scrapes', '15s')
    .argument('[flags...]', 'with --engine: further flags for both, after --')
    .action(async (flags: string[], options: Options) => {
      const plan = await readPlan(options.config);
      if (plan === null) return void (process.exitCode = exitCode.usage);
      const served = servedPlan(plan);
      const fault = typeof served === 'string' ? served : faultOf(served, flags, options);
      if (typeof served !== 'string' && fault === null) {
        process.exitCode = await serve(served, flags, options);
      } else {
        complain(`${options.config}: ${fault}`);
        process.exitCode = exitCode.usage;
      }
    });
}

function faultOf({ gateway }: ServedPlan, flags: string[], options: Options): string | null {
  const { engine, data, interval } = options;
  if (wholeSeconds(interval) === null) return '--interval: write "15s", at least a second';
  if (engine === undefined) {
    const belongs = flags.length > 0 || data !== undefined || options.scraper !== undefined;
    return belongs ? '--scraper, --data and further flags go with --engine' : null;
  }
  const { protocol, hostname, port, pathname, username } = new URL(gateway.storage);
  const single = protocol === 'http:' && port !== '' && pathname === '/' && username === '';
  if (!single || !isLoopback(hostname)) {
    return '--engine needs storage = "http://127.0.0.1:PORT", where it is to listen: it has no business off this machine';
  }
  return furtherFlagsFault(flags, scraperOf(options) !== null);
}

/** @returns null when the engine is to scrape itself. */
function scraperOf({ engine, scraper }: Options): string | null {
  if (engine === undefined || scraper === 'none') return null;
  return scraper ?? installedScraper(engine);
}

async function serve(plan: ServedPlan, flags: string[], options: Options): Promise<number> {
  const { gateway } = plan;
  const log = eventLog({ process: 'gateway' });
  const { startGateway } = await import('../gateway/start.ts');
  const { Follower } = await import('../gateway/follower.ts');
  const { engine: program, data: folder = join(dirname(gateway.keys), 'victoria-metrics') } = options;
  const interval = wholeSeconds(options.interval)!;
  const scraper = await scraperBeside(scraperOf(options), gateway.storage);
  const tier = program === undefined ? null : { program, scraper, folder, interval, args: flags };
  const signalled = Promise.race(endings.map((signal) => once(process, signal)));
  // One that comes while it starts is not lost: the follower begins with reading.
  process.on('SIGHUP', () => void follower?.reload());
  let follower: GatewayFollower | null = null;
  const running = await startGateway({ plan, log, tier });
  if ('fault' in running) {
    complain(running.fault);
    return exitCode.failed;
  }
  const places = { listen: formatAddress(gateway), metrics: formatAddress(gateway.metrics) };
  log.info(scraper === null ? places : { ...places, scraper: scraper.port }, 'the gateway serves');
  follower = new Follower({ config: options.config, gateway: running, log });
  await signalled;
  follower.close();
  await running.stop();
  await lastLines();
  return exitCode.done;
}
