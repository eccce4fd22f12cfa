import type { Loaded } from '../config/load.ts';
import type { Plan } from '../config/plan.ts';
import type { ScrapeScope } from '../metrics/exposition.ts';

/** Reads a configuration anew. @param file null: there is none. */
export type Load = (file: string | null) => Promise<Loaded>;

/** The configuration that serves, where it was read, and whose the apps are. */
export class Configuration {
  #plan: Plan;
  /** Null when there is none. */
  file: string | null;
  /** Reads another one; it does not serve yet. */
  readonly load: Load;
  /** App, and whose it is, for all apps that there ever were. */
  readonly #owners: Map<string, string>;

  /** @param owners in the supervisor before this one. */
  constructor(plan: Plan, file: string | null, load: Load | undefined, owners: [app: string, org: string][] = []) {
    this.#plan = plan;
    this.file = file;
    this.load = load ?? (async () => ({ plan: this.#plan, faults: [], warnings: [] }));
    this.#owners = new Map(owners);
  }

  get plan(): Plan {
    return this.#plan;
  }

  get owners(): [app: string, org: string][] {
    return [...this.#owners];
  }

  serves(plan: Plan): void {
    this.#plan = plan;
    for (const app of plan.apps) this.#owners.set(app.name, app.org);
  }

  /** What an organization's page shows; undefined when there is no such organization. */
  scopeOf(org: string): ScrapeScope | undefined {
    const organization = this.#plan.organizations.find(({ slug }) => slug === org);
    if (organization === undefined) return undefined;
    const apps = new Set(this.owners.filter(([, owner]) => owner === org).map(([app]) => app));
    return { apps, unowned: organization.operator ?? false };
  }
}
