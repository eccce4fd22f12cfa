/** Dashes and hatching: what tells lines and areas apart without their colour. */

import type { Tone } from '../model/view.ts';
import { colour } from './theme.ts';

const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [4, 2], [1, 4], [8, 2, 2, 2, 2, 2]];

export const dashOf = (pattern: number): number[] => dashes[pattern % dashes.length]!;

export const toneOf = (tone: Tone): string => colour(`tone-${tone}`);

const size = 8;

/** An area's fill: the colour, thin, with hatching of its pattern. */
export function hatching(tone: Tone, pattern: number): CanvasPattern {
  const tile = document.createElement('canvas');
  tile.width = size;
  tile.height = size;
  const context = tile.getContext('2d')!;
  context.strokeStyle = context.fillStyle = toneOf(tone);
  context.globalAlpha = 0.38;
  context.fillRect(0, 0, size, size);
  context.globalAlpha = 0.75;
  context.lineWidth = 1.5;
  context.beginPath();
  strokes[pattern % strokes.length]!(context);
  context.stroke();
  return context.createPattern(tile, 'repeat')!;
}

const diagonal = (context: CanvasRenderingContext2D, up: boolean): void => {
  // Three of them, so that they go on in the next tile.
  for (const shift of [-size, 0, size]) {
    context.moveTo(shift, up ? size : 0);
    context.lineTo(shift + size, up ? 0 : size);
  }
};

const strokes: ((context: CanvasRenderingContext2D) => void)[] = [
  () => {},
  (context) => diagonal(context, true),
  (context) => diagonal(context, false),
  (context) => {
    context.moveTo(0, size / 2);
    context.lineTo(size, size / 2);
  },
  (context) => {
    diagonal(context, true);
    diagonal(context, false);
  },
  (context) => {
    context.moveTo(size / 2, 0);
    context.lineTo(size / 2, size);
  },
];

/** A sample of a line or an area for the legend. */
export function swatch(kind: 'lines' | 'stack', tone: Tone, pattern: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  const scale = devicePixelRatio;
  [canvas.width, canvas.height] = [24 * scale, 12 * scale];
  canvas.className = 'swatch';
  canvas.ariaHidden = 'true';
  const context = canvas.getContext('2d')!;
  context.scale(scale, scale);
  context.strokeStyle = toneOf(tone);
  context.lineWidth = 2;
  if (kind === 'lines') {
    context.setLineDash(dashOf(pattern));
    context.moveTo(0, 6);
    context.lineTo(24, 6);
    context.stroke();
  } else {
    context.fillStyle = hatching(tone, pattern);
    context.fillRect(0, 0, 24, 12);
    context.strokeRect(0, 0, 24, 12);
  }
  return canvas;
}
