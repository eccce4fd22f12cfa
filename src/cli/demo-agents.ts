/** The agents of the demo's instances: in this process, for what they tell is of this machine alone. */

import { Agent } from '../agent/agent.ts';
import { defaultOptions } from '../agent/defaults.ts';
import { formatAddress, parseHostPort } from '../config/address.ts';
import type { Plan } from '../config/plan.ts';
import { complain } from './exit.ts';
import { freePort } from './free-port.ts';

/** On the next free ports of the plan's, which is told; an instance whose agent cannot be started has none. */
export async function startAgents(plan: Plan): Promise<Agent[]> {
  const agents: Agent[] = [];
  for (const instance of plan.apps.flatMap((app) => app.instances)) {
    const wanted = parseHostPort(instance.agent ?? '');
    if (wanted === undefined) continue;
    const address = { host: wanted.host, port: await freePort(wanted.host, wanted.port) };
    const agent = await Agent.start(
      address,
      defaultOptions(() => {}),
    );
    if ('fault' in agent) {
      complain(agent.fault);
      delete instance.agent;
      continue;
    }
    instance.agent = formatAddress(address);
    agents.push(agent);
  }
  return agents;
}
