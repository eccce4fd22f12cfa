import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ResolverPlan } from '../../src/config/plan.ts';
import type { Name } from '../../src/resolver/name.ts';
import { defaultResolver, Resolver } from '../../src/resolver/resolver.ts';
import type { SystemLookup } from '../../src/resolver/system.ts';
import { DnsServer, type Zone } from '../helpers/dns.ts';
import { until } from '../helpers/until.ts';

async function server(zones: Record<string, Zone>): Promise<DnsServer> {
  const dns = await DnsServer.start(zones);
  onTestFinished(() => dns.stop());
  return dns;
}

function resolver(dns: DnsServer, plan: Partial<ResolverPlan> = {}, system?: SystemLookup) {
  const reports: string[] = [];
  const made = new Resolver(
    { ...defaultResolver, servers: [dns.address], search: [], ndots: 1, hosts: '/nowhere', ...plan },
    {
      report: ({ host, failure }) => reports.push(`${host} ${failure}`),
      client: { timeout: 100, tries: 2 },
      ...(system === undefined ? {} : { system }),
    },
  );
  onTestFinished(() => made.stop());
  return { made, reports, follow: (host: string): Name => made.follow(host)! };
}

const texts = (name: Name): string[] => name.addresses.map(({ address }) => address);

test('both families are found, IPv4 first, through aliases; one of them is enough', async () => {
  const dns = await server({
    'both.test': { addresses: ['fd00::1', '10.0.0.1'] },
    'six.test': { addresses: ['fd00::2'] },
    'alias.test': { cname: 'target.test', ttl: 300 },
    'target.test': { addresses: ['10.0.0.3'] },
  });
  const { made, follow } = resolver(dns);
  const [both, six, alias] = ['both.test', 'six.test', 'alias.test'].map(follow) as [Name, Name, Name];
  await made.start();
  expect([both, six, alias].map(texts)).toEqual([['10.0.0.1', 'fd00::1'], ['fd00::2'], ['10.0.0.3']]);
});

test('a server that drops questions for one family holds up nothing', async () => {
  const dns = await server({
    'four.test': { addresses: ['10.0.0.1'], fault: 'hole 6', ttl: 0 },
    'six.test': { addresses: ['fd00::1'], fault: 'hole 4' },
  });
  const { made, follow } = resolver(dns);
  const [four, six] = [follow('four.test'), follow('six.test')];
  await made.start();
  expect([four, six].map(texts)).toEqual([['10.0.0.1'], ['fd00::1']]);
  dns.zones.get('four.test')!.addresses = ['10.0.0.2'];
  await until(() => texts(four)[0] === '10.0.0.2', 'the next answer');
});

test('an answer is used for its TTL; who follows a name hears that it has moved, once', async () => {
  const dns = await server({
    'web.test': { addresses: ['10.0.0.1'], ttl: 1 },
    'still.test': { addresses: ['10.0.0.9'] },
  });
  const { made, follow } = resolver(dns);
  const [web, still] = [follow('web.test'), follow('still.test')];
  const heard: string[][] = [];
  web.followers.add(() => heard.push(texts(web)));
  await made.start();
  const asked = () => dns.questions.filter((question) => question === 'web.test A').length;
  await until(() => asked() > 2, 'it to be asked for again');
  dns.zones.get('web.test')!.addresses = ['10.0.0.2'];
  await until(() => texts(web)[0] === '10.0.0.2', 'the new address');
  expect(heard).toEqual([['10.0.0.1'], ['10.0.0.2']]);
  expect(dns.questions.filter((question) => question === 'still.test A')).toHaveLength(1);
  expect(texts(still)).toEqual(['10.0.0.9']);
});

test.for<[string, Zone | null]>([
  ['fails', { fault: 'servfail' }],
  ['is silent', { fault: 'hole' }],
  ['knows no such name', null],
  ['has no address for it', {}],
])(
  'the last addresses stay while the server %s; it is told once, and once that it is over',
  { timeout: 30_000 },
  async ([, fault]) => {
    const dns = await server({ 'web.test': { addresses: ['10.0.0.1', 'fd00::1'], ttl: 0 } });
    const { made, reports, follow } = resolver(dns);
    const web = follow('web.test');
    await made.start();
    const [asked, zone] = [dns.questions.length, dns.zones.get('web.test')!];
    if (fault === null) dns.zones.delete('web.test');
    else dns.zones.set('web.test', fault);
    await until(() => reports.length === 1, 'the report');
    expect(texts(web)).toEqual(['10.0.0.1', 'fd00::1']);
    expect(dns.questions.length).toBeGreaterThan(asked);
    dns.zones.set('web.test', { ...zone, addresses: ['10.0.0.2'] });
    await until(() => texts(web)[0] === '10.0.0.2', 'it to be found again');
    expect(reports).toEqual([expect.stringMatching(/^web\.test E[A-Z]+$/), 'web.test ']);
  },
);

test('names in a black hole hold up no others', async () => {
  const holes = Array.from({ length: 200 }, (_, i) => `hole${i}.test`);
  const dns = await server({
    ...Object.fromEntries(holes.map((name): [string, Zone] => [name, { fault: 'hole' }])),
    'web.test': { addresses: ['10.0.0.1'] },
  });
  const { made, follow } = resolver(dns);
  holes.forEach(follow);
  const web = follow('web.test');
  let found = 0;
  web.followers.add(() => found++);
  const started = made.start().then(() => found);
  await until(() => web.found, 'the name that has an answer');
  expect(await started).toBe(1);
});

test('short names are looked for as resolv.conf has it: after a clear no only', async () => {
  const dns = await server({
    'web.shop.svc.test': { addresses: ['10.0.0.1'] },
    'web.svc.test': { addresses: ['10.0.0.2'] },
    'db.shop.svc.test': { fault: 'servfail' },
    'db.svc.test': { addresses: ['10.0.0.3'] },
    'whole.test': { addresses: ['10.0.0.4'] },
    'whole.test.shop.svc.test': { addresses: ['10.0.0.5'] },
    single: { addresses: ['10.0.0.6'] },
  });
  const { made, follow } = resolver(dns, { search: ['shop.svc.test', 'svc.test'], ndots: 2 });
  const names = ['web', 'db', 'whole.test', 'whole.test.', 'single'].map(follow);
  await made.start();
  expect(names.map(texts)).toEqual([['10.0.0.1'], [], ['10.0.0.5'], ['10.0.0.4'], ['10.0.0.6']]);
  expect(dns.questions).not.toContain('db.svc.test A');
});

test('the hosts file goes first, is read again when it has changed, and what it drops is asked of DNS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-hosts-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const hosts = join(folder, 'hosts');
  writeFileSync(hosts, '10.0.0.1 web.test web\n');
  const dns = await server({ 'web.test': { addresses: ['10.0.0.9'] } });
  const { made, follow } = resolver(dns, { hosts });
  const [web, alias] = [follow('web.test'), follow('web')];
  await made.start();
  expect([web, alias].map(texts)).toEqual([['10.0.0.1'], ['10.0.0.1']]);
  expect(dns.questions).toEqual([]);
  writeFileSync(hosts, '10.0.0.22 web.test web\n');
  await until(() => texts(web)[0] === '10.0.0.22' && texts(alias)[0] === '10.0.0.22', 'the new line');
  rmSync(hosts);
  await until(() => texts(web)[0] === '10.0.0.9', 'the answer of DNS');
  expect(texts(alias)).toEqual(['10.0.0.22']);
});

test('localhost is loopback, whatever servers and files say; an IP address is followed by nobody', async () => {
  const dns = await server({ localhost: { addresses: ['10.0.0.9'] } });
  const { made, follow } = resolver(dns);
  const names = ['localhost', 'web.localhost'].map(follow);
  expect(['10.0.0.1', '::1', 'fe80::1%lo'].map((host) => made.follow(host))).toEqual([null, null, null]);
  await made.start();
  expect(names.map(texts)).toEqual([
    ['127.0.0.1', '::1'],
    ['127.0.0.1', '::1'],
  ]);
  expect(dns.questions).toEqual([]);
});

test('a name that comes later is looked up at once', async () => {
  const dns = await server({ 'web.test': { addresses: ['10.0.0.1'] } });
  const { made, follow } = resolver(dns);
  await made.start();
  const web = follow('web.test');
  await until(() => web.found, 'its address');
});

test('what servers do not know is asked of the system, one at a time, and those that hang wait to the last', {
  timeout: 30_000,
}, async () => {
  const dns = await server({ 'hole.test': { fault: 'hole' }, 'web.test': { addresses: ['10.0.0.1'] } });
  const asked: string[] = [];
  let [now, most] = [0, 0];
  const answers = new Map<string, (address: string | null) => void>();
  const { made, follow } = resolver(dns, {}, (name) => {
    asked.push(name);
    most = Math.max(most, ++now);
    return new Promise((resolve) =>
      answers.set(name, (address) => {
        now--;
        resolve(address === null ? [] : [{ address, family: 4 }]);
      }),
    );
  });
  const [hung, printer, gone, web] = ['hung.test', 'printer.test', 'gone.test', 'web.test'].map(follow) as [
    Name,
    Name,
    Name,
    Name,
  ];
  const hole = follow('hole.test');
  await made.start();
  expect(texts(web)).toEqual(['10.0.0.1']);
  expect(asked).toHaveLength(1);
  expect(made.blocked).toBe(true);
  const first = asked[0]!;
  // The others wait until it is back; those that DNS is silent about come last.
  await until(() => dns.questions.filter((question) => question === 'hole.test A').length >= 3, 'the last try');
  answers.get(first)!('10.0.0.7');
  await until(() => asked.length === 2, 'the next one');
  answers.get(asked[1]!)!(null);
  await until(() => asked.length === 3, 'the next one');
  answers.get(asked[2]!)!('10.0.0.8');
  expect(new Set(asked.slice(0, 3))).toEqual(new Set(['hung.test', 'printer.test', 'gone.test']));
  const found = [hung, printer, gone].filter((name) => name.host !== asked[1]);
  await until(() => found.every((name) => name.found), 'the answers of the system');
  expect(found.flatMap(texts).sort()).toEqual(['10.0.0.7', '10.0.0.8']);
  expect(hole.found).toBe(false);
  expect(most).toBe(1);
});

test('addresses of a family take turns to be the first; one that could not be reached is the last', async () => {
  const dns = await server({ 'web.test': { addresses: ['10.0.0.1', '10.0.0.2', 'fd00::1'] } });
  const { made, follow } = resolver(dns);
  const web = follow('web.test');
  await made.start();
  const turns = () => Array.from({ length: 2 }, () => web.inTurn().map(({ address }) => address));
  expect(turns().sort()).toEqual([
    ['10.0.0.1', '10.0.0.2', 'fd00::1'],
    ['10.0.0.2', '10.0.0.1', 'fd00::1'],
  ]);
  web.avoid('10.0.0.1');
  expect(turns()).toEqual([
    ['10.0.0.2', 'fd00::1', '10.0.0.1'],
    ['10.0.0.2', 'fd00::1', '10.0.0.1'],
  ]);
  for (const address of ['10.0.0.2', 'fd00::1']) web.avoid(address);
  expect(turns()).toEqual([
    ['10.0.0.1', '10.0.0.2', 'fd00::1'],
    ['10.0.0.1', '10.0.0.2', 'fd00::1'],
  ]);
});
