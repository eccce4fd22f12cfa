import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { formatAddress } from '../config/address.ts';
import type { Plan, UpstreamPlan } from '../config/plan.ts';
import type { Status } from '../supervisor/status.ts';
import { authority } from './authority.ts';
import { readPlan } from './config.ts';
import { startAgents } from './demo-agents.ts';
import { demoConfig } from './demo-config.ts';
import { type DemoStorage, howToGetStorage, startStorage } from './demo-storage.ts';
import { exitCode } from './exit.ts';
import { freePort } from './free-port.ts';

const instanceEntry = fileURLToPath(new URL(`./demo-instance${extname(import.meta.url)}`, import.meta.url));

const irreplaceable = 'the demo is not upgraded: its instances and its storage end with it. Stop it, and start it anew';

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description('the edge in front of two demo instances, on this machine alone')
    .action(async () => {
      const config = demoConfig();
      process.on('exit', config.remove);
      const plan = await readPlan(config.file);
      if (plan === null) return void (process.exitCode = exitCode.usage);
      await moveToFreePorts(plan);
      const instances = await Promise.all(upstreams(plan).map(startInstance));
      const agents = await startAgents(plan);
      const storage = await startStorage(plan);
      const { serve } = await import('./serve.ts');
      const announced = (status: Status) => announce(plan, status, storage, config.shown);
      process.exitCode = await serve(plan, null, announced, { irreplaceable });
      await storage?.stop();
      await Promise.all(agents.map((agent) => agent.finish()));
      // They end with their channel.
      for (const instance of instances) instance.disconnect();
    });
}

const upstreams = (plan: Plan): UpstreamPlan[] => plan.apps.flatMap((app) => app.services.flatMap((s) => s.upstreams));

/** A port that another program has is replaced by the next free one. */
async function moveToFreePorts(plan: Plan): Promise<void> {
  for (const listener of plan.listeners) {
    listener.port = await freePort(listener.address, listener.port);
    listener.key = formatAddress({ host: listener.address, port: listener.port });
  }
  plan.metrics.port = await freePort(plan.metrics.host, plan.metrics.port);
  for (const upstream of upstreams(plan)) upstream.port = await freePort(upstream.host, upstream.port);
}

/** Settled when it listens. */
async function startInstance({ instance, host, port }: UpstreamPlan): Promise<ChildProcess> {
  const child = fork(instanceEntry, [instance, host, String(port)], { execArgv: [] });
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error(`demo instance ${instance} could not listen on ${host}:${port}`);
    }),
  ]);
  return child;
}

function announce(plan: Plan, status: Status, storage: DemoStorage | null, file: string): void {
  const urls = status.listeners.map(({ key, address, port }) => {
    const tls = plan.listeners.find((listener) => listener.key === key)?.wire === 'tls';
    // By name, since no client sends SNI for an address (RFC 6066 3).
    return { tls, url: tls ? `https://localhost:${port}` : `http://${authority({ address, port })}` };
  });
  const plain = urls.find(({ tls }) => !tls)?.url;
  const secure = urls.find(({ tls }) => tls)?.url;
  const page = `http://${authority(status.metrics)}/`;
  const metrics = `${page}metrics`;
  process.stdout.write(
    `fly-edge ${status.version} in front of ${upstreams(plan).length} demo instances. Open:

  ${plain}/          the app; reload to see the instances take turns
  ${page}          the live page
  ${metrics}   its series

Try:

  curl ${plain}/
  curl -k ${secure}/
  curl '${plain}/slow?ms=500'
  curl -i ${plain}/status/503
  curl -o /dev/null '${plain}/bytes?n=1000000'
  curl -d hello ${plain}/echo
  curl -s ${metrics} | grep fly_edge_http_responses_count
  npx fly-edge status --config ${file}

${storage === null ? howToGetStorage : queries(storage)}
Ctrl-C drains and ends it.
`,
  );
}

const queries = ({
  api,
  authorization,
}: DemoStorage): string => `The live page with all that is stored: ${new URL('/', api)}
with the organization ${api.split('/').at(-3)} and this token: ${authorization}

Ask for what was counted, a few seconds later:

  curl -s ${api}/query -H 'Authorization: ${authorization}' \\
    --data-urlencode 'query=sum(increase(fly_edge_http_responses_count)) by (app, status)'
  curl -s ${api}/query -H 'Authorization: ${authorization}' \\
    --data-urlencode 'query=fly_instance_memory_mem_available'
`;
