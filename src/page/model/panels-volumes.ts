import { linesOf, type Panel } from './panel.ts';

const noVolume = 'No volume: edge.toml names them under [[volumes]].';

export const volumePanels: readonly Panel[] = [
  {
    id: 'volume-used',
    title: 'Volumes: used',
    help: 'How much of each volume has been written to; the fullest ones.',
    reads: { used: { metric: 'fly_volume_used_pct', as: 'value', by: ['id'], combine: 'max', top: 8, sumless: true } },
    empty: noVolume,
    view: ({ used }) => ({ kind: 'lines', unit: 'percent', times: used!.times, lines: linesOf(used!.rows, 'id') }),
  },
  {
    id: 'volume-size',
    title: 'Volumes: size',
    help: 'Used or not.',
    reads: { size: { metric: 'fly_volume_size_bytes', as: 'value', by: ['id'], combine: 'max', top: 8 } },
    empty: noVolume,
    view: ({ size }) => ({ kind: 'lines', unit: 'bytes', times: size!.times, lines: linesOf(size!.rows, 'id') }),
  },
];
