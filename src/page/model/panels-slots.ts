import { line, type Panel } from './panel.ts';
import type { Row, Table } from './table.ts';
import type { SlotsView } from './view.ts';

const colours = ['blue', 'green'] as const;
/** The most telling one first: a colour may have two generations. */
const states = ['accepting', 'ready', 'starting', 'draining'];

const of = (table: Table, colour: string): Row[] => table.rows.filter(({ labels }) => labels.proxy_id === colour);

function slotsView(state: Table, generation: Table): SlotsView {
  return {
    kind: 'slots',
    times: state.times,
    slots: colours.map((colour) => ({
      colour,
      generation: of(generation, colour)[0]?.values ?? state.times.map(() => null),
      states: state.times.map((_, i) => {
        const now = of(state, colour).filter(({ values }) => (values[i] ?? 0) > 0);
        return states.find((name) => now.some(({ labels }) => labels.state === name)) ?? null;
      }),
    })),
  };
}

export const slotPanels: readonly Panel[] = [
  {
    id: 'slot-traffic',
    title: 'Responses by slot',
    help: 'A flip moves the traffic from one slot to the other: none of it is lost.',
    reads: { responses: { metric: 'fly_edge_http_responses_count', as: 'rate', by: ['proxy_id'] } },
    empty: 'No request yet.',
    view: ({ responses }) => ({
      kind: 'stack',
      unit: 'per second',
      times: responses!.times,
      lines: colours.flatMap((colour, pattern) =>
        of(responses!, colour).map(({ values }) => line(colour, values, colour, pattern)),
      ),
    }),
  },
  {
    id: 'slot-states',
    title: 'Slots and their generations',
    help: 'What each slot does, and the number of its newest generation. Both at work: a flip.',
    reads: {
      state: { metric: 'fly_slot_state', as: 'value', by: ['proxy_id', 'state'] },
      generation: { metric: 'fly_slot_generation', as: 'value', by: ['proxy_id'], combine: 'max' },
    },
    empty: 'The slots’ states are on the whole page, and on that of the organization that runs the edge.',
    view: ({ state, generation }) => slotsView(state!, generation!),
  },
];
