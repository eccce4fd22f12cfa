/** The gateway with all that belongs to it, from a plan. */

import { TrustedPeers } from '../base/trusted.ts';
import { version } from '../base/version.ts';
import { gatewayChanges, type ServedPlan, unsupportedGatewayChanges } from '../config/gateway-plan.ts';
import type { Log } from '../log/log.ts';
import { processRegistry } from '../metrics/process.ts';
import { Attempts } from '../tokens/attempts.ts';
import { Authorizer } from '../tokens/authorizer.ts';
import { Keys } from '../tokens/keys.ts';
import { Revocations } from '../tokens/revocations.ts';
import { listen } from './bind.ts';
import { followCapacity, ownCapacity, placesOf, unknownCapacity } from './capacity.ts';
import { answers } from './daemon.ts';
import { engineAccess } from './engine-access.ts';
import { Gateway, type Settings } from './gateway.ts';
import { createOwnServer } from './own-server.ts';
import { makeTier, type OwnTier } from './own-tier.ts';
import { Quarantine, type QuarantineOptions } from './quarantine.ts';
import { GatewaySeries } from './series.ts';
import { Suspects } from './suspects.ts';

export interface StartOptions {
  plan: ServedPlan;
  log: Log;
  /** Null: the storage tier runs elsewhere. */
  tier: OwnTier | null;
  quarantine?: QuarantineOptions;
}

export interface RunningGateway {
  /** The engine that was started here, and the scraper beside it. */
  readonly enginePid: number | undefined;
  readonly scraperPid: number | undefined;
  /**
   * Takes another plan, whole or not at all; requests that are being answered keep the one before.
   * @returns what has changed, a line for each kind of thing, or why it cannot be taken.
   */
  follow(plan: ServedPlan): { changes: string[] } | { fault: string };
  stop(): Promise<void>;
}

/** How long an engine may take to come back before its suspects are given up: ours reads its data again. */
const patience = { own: 20_000, other: 5_000 };

/** @returns why it cannot run, or what stops it. */
export async function startGateway({
  log,
  tier: own,
  ...options
}: StartOptions): Promise<RunningGateway | { fault: string }> {
  let { plan } = options;
  const storage = new URL(plan.gateway.storage.replaceAll('{tenant}', '0'));
  const register = processRegistry('fly_gateway_build_info', version);
  const series = new GatewaySeries(register);
  const access = own === null ? null : engineAccess(process.env);
  const ended = (which: 'engine' | 'scraper') => series.ended(which);
  const tier = access === null ? null : makeTier(own!, plan, { storage, access, log, ended });
  const takes = own === null ? null : ownCapacity(own.args, plan.gateway.limits.engineConcurrency).takes;
  const gateway = new Gateway(settingsOf(plan), {
    attempts: new Attempts(),
    quarantine: new Quarantine(options.quarantine),
    suspects: new Suspects({
      back: (until) => answers(new URL('/health', storage), until),
      restarts: tier !== null,
      patience: tier === null ? patience.other : patience.own,
    }),
    series,
    capacity: takes === null ? unknownCapacity : placesOf(takes),
    engineAuthorization: access?.authorization ?? null,
    log,
  });
  const unfollow =
    takes === null ? followCapacity(storage, log, (asked) => gateway.resize(placesOf(asked))) : () => undefined;
  const metrics = createOwnServer(register, () => plan.gateway.hosts);
  const stop = async () => {
    unfollow();
    gateway.close();
    metrics.close();
    metrics.closeAllConnections();
    await tier?.stop();
  };
  const fault =
    (await listen(metrics, plan.gateway.metrics, 'metrics')) ??
    (await listen(gateway.server, plan.gateway, 'listen')) ??
    (await tier?.start()) ??
    null;
  if (fault !== null) {
    await stop();
    return { fault };
  }
  return {
    get enginePid() {
      return tier?.enginePid;
    },
    get scraperPid() {
      return tier?.scraperPid;
    },
    follow(next) {
      const refused = unsupportedGatewayChanges(plan, next);
      if (refused.length > 0) return { fault: refused.join('\n') };
      try {
        const settings = settingsOf(next);
        tier?.follow(next);
        gateway.use(settings);
      } catch (error) {
        return { fault: (error as Error).message };
      }
      const changes = gatewayChanges(plan, next);
      plan = next;
      return { changes };
    },
    stop,
  };
}

/** Throws a sentence when the keys' file can't be made. */
function settingsOf({ gateway, organizations, trustedProxies }: ServedPlan): Settings {
  const { keys, location } = gateway;
  return {
    plan: gateway,
    organizations: new Map(organizations.map((organization) => [organization.slug, organization])),
    authorizer: new Authorizer({
      keys: new Keys(keys),
      revocations: new Revocations(keys),
      organizations,
      location,
      clock: Date.now,
    }),
    trusted: new TrustedPeers(trustedProxies.cidrs),
    flyClientIp: trustedProxies.flyClientIp,
  };
}
