/** A line of the log, in which each key stands once: of two with one name a reader takes the one or the other. */
export function logLine(text: string): Record<string, unknown> {
  const line = JSON.parse(text) as Record<string, unknown>;
  const keys = [...text.matchAll(/[{,]"([A-Za-z_]+)":/g)].length;
  if (keys > Object.keys(line).length && JSON.stringify(line) !== text) throw new Error(`a key stands twice: ${text}`);
  return line;
}
