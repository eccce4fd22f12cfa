/** The panels of the page, in its order: what each reads, and what it makes of it. */

import type { Panel } from './panel.ts';
import { instancePanels } from './panels-instances.ts';
import { postgresPanels } from './panels-postgres.ts';
import { slotPanels } from './panels-slots.ts';
import { trafficPanels } from './panels-traffic.ts';
import { volumePanels } from './panels-volumes.ts';

export interface Section {
  id: string;
  title: string;
  panels: readonly Panel[];
}

export const sections: readonly Section[] = [
  { id: 'traffic', title: 'Traffic', panels: trafficPanels },
  { id: 'slots', title: 'Slots', panels: slotPanels },
  { id: 'instances', title: 'Instances', panels: instancePanels },
  { id: 'volumes', title: 'Volumes', panels: volumePanels },
  { id: 'postgres', title: 'Postgres', panels: postgresPanels },
];
