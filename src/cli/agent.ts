import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Agent } from '../agent/agent.ts';
import type { CollectorOptions } from '../agent/collector.ts';
import { defaults, wholeNames } from '../agent/defaults.ts';
import { reapOrphans } from '../agent/orphans.ts';
import { runApp } from '../agent/run.ts';
import { type Address, formatAddress, parseListen } from '../config/address.ts';
import { parseDuration } from '../config/duration.ts';
import { parseHostname } from '../config/fields.ts';
import { complain, exitCode } from './exit.ts';
import { endings } from './signals.ts';

interface Options {
  listen: Address;
  host: string[];
  linger: number;
  proc: string;
  sys: string;
  root: string;
  diskExclude: RegExp;
  netExclude: RegExp;
  mountExclude: RegExp;
  fsTypeExclude: RegExp;
}

const { excluded } = defaults;

export function agentCommand(program: Command): void {
  program
    .command('agent')
    .description('expose series of the instance that it runs on; with CMD, run the app and report how it ends')
    .addOption(option('--listen <address>', 'where the storage tier scrapes it', listen, defaults.listen))
    .addOption(
      new Option('--host <name>', 'a name that it is asked by; an address or the name of the machine needs none')
        .argParser(host)
        .default([], 'none'),
    )
    .addOption(option('--proc <folder>', 'where procfs is', folder, defaults.proc))
    .addOption(option('--sys <folder>', 'where sysfs is', folder, defaults.sys))
    .addOption(option('--root <folder>', 'where the mount points are found', folder, defaults.root))
    .addOption(option('--disk-exclude <regex>', 'disks that are not shown', expression, excluded.disk))
    .addOption(option('--net-exclude <regex>', 'network devices that are not shown', expression, excluded.net))
    .addOption(option('--mount-exclude <regex>', 'mount points that are not shown', expression, excluded.mount))
    .addOption(option('--fs-type-exclude <regex>', 'types of file systems not shown', expression, excluded.fsType))
    .addOption(option('--linger <duration>', 'with CMD: how long its end may wait to be scraped', duration, '20s'))
    .argument('[command...]', 'after --: the app to run')
    .action(async (command: string[], options: Options) => {
      process.exitCode = await serve(command, options);
    });
}

async function serve(command: string[], { listen, host, linger, ...rest }: Options): Promise<number> {
  const options = collectorOptions(rest);
  const agent = await Agent.start(listen, options, host);
  if ('fault' in agent) {
    complain(agent.fault);
    return exitCode.failed;
  }
  if (command.length > 0) {
    const end = await runApp(agent, command as [string, ...string[]], options, linger);
    if (typeof end === 'number') return end;
    complain(end.fault);
    return end.code;
  }
  await reapOrphans(options.tell, () => undefined);
  process.stderr.write(`fly-edge: the agent serves http://${formatAddress(listen)}/metrics\n`);
  await Promise.race(endings.map((signal) => once(process, signal)));
  return exitCode.done;
}

/** @param fallback as one would write it. */
const option = <T>(flags: string, description: string, parse: (text: string) => T, fallback: string): Option =>
  new Option(flags, description).argParser(parse).default(parse(fallback), fallback);

function collectorOptions(options: Omit<Options, 'listen' | 'host' | 'linger'>): CollectorOptions {
  const { proc, sys, root, diskExclude, netExclude, mountExclude, fsTypeExclude } = options;
  const names = { disk: diskExclude, net: netExclude, mount: mountExclude, fsType: fsTypeExclude };
  return { proc, sys, root, excluded: names, tell: (line) => complain(`agent: ${line}`) };
}

function listen(text: string): Address {
  const address = parseListen(text);
  if (address === undefined)
    throw new InvalidArgumentError('Write an IP address and a port, such as "127.0.0.1:9100".');
  return address;
}

function host(text: string, before: string[]): string[] {
  const name = parseHostname(text);
  if (name === undefined || name.startsWith('*')) throw new InvalidArgumentError('Write a host name, such as "app".');
  return [...before, name];
}

function folder(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new InvalidArgumentError('There is no such folder.');
  return path;
}

function expression(text: string): RegExp {
  try {
    return wholeNames(text);
  } catch {
    throw new InvalidArgumentError('Write a regular expression, such as "loop.*|dm-.*"; "" excludes nothing.');
  }
}

function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) throw new InvalidArgumentError('Write a duration, such as "20s".');
  return milliseconds;
}
