/** A copy of `bytes` with a few random faults: changed, removed, repeated or added bytes. */
export function mutate(bytes: Uint8Array, random: () => number): Buffer {
  let copy = Buffer.from(bytes);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let faults = 1 + below(4); faults > 0; faults--) {
    const at = below(copy.length);
    const kind = below(4);
    if (kind === 0) copy[at] = below(256);
    else if (kind === 1) copy = copy.subarray(0, at);
    else if (kind === 2) copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at + below(8))]);
    else copy = Buffer.concat([copy.subarray(0, at), Buffer.from([below(256), below(256)]), copy.subarray(at)]);
    if (copy.length === 0) break;
  }
  return copy;
}
