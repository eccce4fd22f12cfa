/** Numbers as people read them. */

export type Unit = 'count' | 'per second' | 'bytes' | 'bytes per second' | 'seconds' | 'ratio' | 'percent';

const missing = '–';
const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];

/** Three digits that count, and a unit: `1.25 MB/s`. A dash for what is not known. */
export function format(value: number | null, unit: Unit): string {
  if (value === null || Number.isNaN(value)) return missing;
  switch (unit) {
    case 'count':
      return scaled(value, '');
    case 'per second':
      return scaled(value, '/s');
    case 'bytes':
      return scaled(value, 'B');
    case 'bytes per second':
      return scaled(value, 'B/s');
    case 'seconds':
      return duration(value);
    case 'ratio':
      return `${digits(value * 100)} %`;
    case 'percent':
      return `${digits(value)} %`;
  }
}

function scaled(value: number, unit: string): string {
  let power = 0;
  // What would round up to the next prefix has it already.
  while (Math.abs(value) >= 999.5 && power < prefixes.length - 1) {
    value /= 1000;
    power += 1;
  }
  return `${digits(value)} ${prefixes[power]}${unit}`.trimEnd();
}

function duration(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return '0 s';
  if (size < 0.0009995) return `${digits(seconds * 1e6)} µs`;
  if (size < 0.9995) return `${digits(seconds * 1000)} ms`;
  if (size < 99.95) return `${digits(seconds)} s`;
  if (size < 5400) return `${digits(seconds / 60)} min`;
  return size < 172_800 ? `${digits(seconds / 3600)} h` : `${digits(seconds / 86_400)} d`;
}

function digits(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1);
  const places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.0995 || size === 0 ? 2 : 4;
  return String(Number(value.toFixed(places)));
}
