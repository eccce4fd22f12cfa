/** What Node's Buffer has and its types leave out: `toString('latin1', …)` without the look-up of the encoding. */
interface Buffer {
  latin1Slice(start: number, end: number): string;
}
