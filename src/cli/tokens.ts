import { text } from 'node:stream/consumers';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/duration.ts';
import { suggestion } from '../config/nearest.ts';
import type { GatewayPlan, Plan } from '../config/plan.ts';
import { action, organization, validityWindow } from '../tokens/caveats.ts';
import { describe } from '../tokens/describe.ts';
import { formatToken, parseTokens, withoutSchemes } from '../tokens/header.ts';
import { Keys } from '../tokens/keys.ts';
import { attenuate, type Caveat, mint, nonceText } from '../tokens/macaroon.ts';
import { type Entry, Registry } from '../tokens/registry.ts';
import { Revocations } from '../tokens/revocations.ts';
import { readPlan, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';
import { table } from './table.ts';

interface CreateOptions {
  config: string;
  org?: string;
  expiry?: number;
  name?: string;
}

export function tokensCommand(program: Command): void {
  const tokens = program.command('tokens').description('make, list, revoke and read tokens of the query API');
  withConfig(tokens.command('create'))
    .description('print a new token')
    .addArgument(new Argument('<kind>', 'full reads every organization').choices(['full', 'org', 'readonly']))
    .option('-o, --org <slug>', 'the organization, one of [[organizations]]')
    .option('--expiry <duration>', 'how long it is good, such as 720h; without, until it is revoked', expiry)
    .option('--name <name>', 'to find it in the list', name)
    .action(create);
  withConfig(tokens.command('list'))
    .description('the tokens that were made here, without their secrets')
    .option('--json', 'as JSON')
    .action(list);
  withConfig(tokens.command('revoke'))
    .description('void a token and all that was made from it')
    .argument('<token>', 'its name or nonce')
    .action(revoke);
  tokens
    .command('inspect')
    .description('show what a token says, as JSON; it is not verified')
    .argument('[token]', 'FlyV1 fm2_…; better on standard input, where no one sees it')
    .action(inspect);
  withConfig(tokens.command('rotate-key'))
    .description('sign with a new root key from now on')
    .option('--drop-old', 'void all tokens of the keys before')
    .action(rotateKey);
}

/** Seconds that the clock of a machine that takes the token may be behind this one's. */
const slowClock = 60;
const longestExpiry = 100 * 365 * 86_400_000;

function expiry(value: string): number {
  const duration = parseDuration(value, longestExpiry);
  if (duration === undefined || duration < 1000) throw new InvalidArgumentError('Write a duration such as 720h.');
  return duration;
}

/** A name that could be a nonce would make `revoke` ambiguous. */
function name(value: string): string {
  if (/^[\w.@:/-]{1,64}$/.test(value) && !isNonce(value)) return value;
  throw new InvalidArgumentError('Write up to 64 letters, digits or any of ._-@:/ and no nonce.');
}

const isNonce = (value: string): boolean => /^[0-9a-f]{32}$/.test(value);

async function create(kind: Entry['kind'], options: CreateOptions): Promise<void> {
  if ((kind === 'full') !== (options.org === undefined)) {
    const rule = kind === 'full' ? 'a full token has no --org' : `tokens create ${kind} needs --org SLUG`;
    return usage(rule);
  }
  const plan = await gatewayPlan(options.config);
  if (plan === null) return;
  const { gateway, organizations } = plan;
  const owner = organizations.find(({ slug }) => slug === options.org) ?? null;
  if (options.org !== undefined && owner === null) {
    const slugs = organizations.map(({ slug }) => slug);
    const hint = slugs.length === 0 ? 'write [[organizations]] in edge.toml first' : suggestion(options.org, slugs);
    return usage(`there is no organization ${options.org}: ${hint}`);
  }
  const now = Math.floor(Date.now() / 1000);
  const until = options.expiry === undefined ? null : now + Math.floor(options.expiry / 1000);
  const caveats: Caveat[] = [];
  if (owner !== null) caveats.push(organization(owner.id, action.all));
  if (until !== null) caveats.push(validityWindow(now - slowClock, until));
  if (owner !== null && kind === 'readonly') caveats.push(organization(owner.id, action.read));
  const { id, key } = new Keys(gateway.keys).newest;
  const token = attenuate(mint(id, key, gateway.location), ...caveats);
  const revocations = new Revocations(gateway.keys);
  const entry: Entry = {
    nonce: nonceText(token),
    name: options.name ?? null,
    kind,
    organization: owner?.slug ?? null,
    created: isoTime(now),
    expires: until === null ? null : isoTime(until),
  };
  await new Registry(gateway.keys).add(entry, (other) => stateOf(other, revocations) !== 'good');
  process.stdout.write(`FlyV1 ${formatToken(token)}\n`);
}

const isoTime = (seconds: number): string => new Date(seconds * 1000).toISOString();

async function list({ config, json }: { config: string; json?: true }): Promise<void> {
  const plan = await gatewayPlan(config);
  if (plan === null) return;
  const { keys } = plan.gateway;
  const revocations = new Revocations(keys);
  const entries = new Registry(keys).list().map((entry) => ({ ...entry, state: stateOf(entry, revocations) }));
  if (json) return void process.stdout.write(`${JSON.stringify(entries)}\n`);
  const head = ['NONCE', 'NAME', 'KIND', 'ORGANIZATION', 'CREATED', 'EXPIRES', 'STATE'];
  const rows = entries.map(({ nonce, name, kind, organization, created, expires, state }) => {
    return [nonce, name ?? '-', kind, organization ?? 'all', created, expires ?? 'never', state];
  });
  process.stdout.write(`${table([head, ...rows]).join('\n')}\n`);
}

function stateOf({ nonce, expires }: Entry, revocations: Revocations): 'good' | 'expired' | 'revoked' {
  if (revocations.has(nonce)) return 'revoked';
  return expires !== null && Date.parse(expires) < Date.now() ? 'expired' : 'good';
}

async function revoke(token: string, { config }: { config: string }): Promise<void> {
  const plan = await gatewayPlan(config);
  if (plan === null) return;
  const { keys } = plan.gateway;
  const entries = new Registry(keys).list();
  // A nonce need not be listed: the token may have been made elsewhere with the same keys.
  const nonce = isNonce(token) ? token : entries.findLast(({ name }) => name === token)?.nonce;
  if (nonce === undefined) {
    complain(`no token has the name or nonce ${token}: fly-edge tokens list --config ${config} shows them`);
    process.exitCode = exitCode.failed;
    return;
  }
  await new Revocations(keys).add(nonce);
  process.stdout.write(`${nonce} is revoked\n`);
}

async function inspect(argument: string | undefined): Promise<void> {
  const list = withoutSchemes((argument ?? (await text(process.stdin))).replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, ''));
  const parsed = parseTokens(list);
  if (!parsed.ok) {
    usage(`${parsed.reason}: write FlyV1 fm2_…`);
    return;
  }
  process.stdout.write(`${JSON.stringify(parsed.tokens.map(describe), null, 2)}\n`);
  const unreadable = list.split(',').length - parsed.tokens.length;
  if (unreadable === 0) return;
  usage(`${unreadable} of the tokens can't be read`);
}

async function rotateKey({ config, dropOld }: { config: string; dropOld?: true }): Promise<void> {
  const plan = await gatewayPlan(config);
  if (plan === null) return;
  await new Keys(plan.gateway.keys).rotate({ dropOld: dropOld ?? false });
  process.stdout.write(dropOld ? 'a new key signs, all tokens before are void\n' : 'a new key signs from now on\n');
}

/** Null, and told, when the configuration is faulty or has no gateway. */
async function gatewayPlan(config: string): Promise<(Plan & { gateway: GatewayPlan }) | null> {
  const plan = await readPlan(config);
  if (plan?.gateway) return { ...plan, gateway: plan.gateway };
  if (plan === null) process.exitCode = exitCode.usage;
  else usage(`${config} has no [gateway], which says where the keys of tokens are`);
  return null;
}

function usage(message: string): void {
  complain(message);
  process.exitCode = exitCode.usage;
}
