/** Where a key or value stands in a file; both count from 1. */
export interface Position {
  line: number;
  column: number;
}

export interface Origin extends Position {
  file: string;
}

/** What is wrong in a file, and what to write instead. A fault of the command line has line 0. */
export interface Fault extends Origin {
  message: string;
}

/** What a reading found: with faults there is no plan; warnings leave one. */
export interface Findings {
  faults: Fault[];
  warnings: Fault[];
}

/** `file:line:column: message`, the form that editors and terminals make clickable. */
export function formatFault(fault: Fault): string {
  const where = fault.line === 0 ? fault.file : `${fault.file}:${fault.line}:${fault.column}`;
  return `${where}: ${fault.message}`;
}

/** All of one file in one, at the place of the first; the others' lines are told. */
export function inOneLine(faults: readonly Fault[]): Fault[] {
  const lines = new Map<string, Set<number>>();
  for (const { message, line } of faults) lines.set(message, (lines.get(message) ?? new Set()).add(line));
  const [first] = faults;
  if (first === undefined) return [];
  const messages = [...lines].map(([message, set]) => {
    const others = [...set].filter((line) => line !== first.line);
    if (others.length === 0) return message;
    const where = `line${others.length === 1 ? '' : 's'} ${others.join(', ')}`;
    return set.has(first.line) ? `${message} (also ${where})` : `${where}: ${message}`;
  });
  return [{ ...first, message: messages.join('; ') }];
}

/** In reading order, file by file as first met; what was found twice is told once. */
export function inReadingOrder(faults: Fault[]): Fault[] {
  const unique = new Map(faults.map((fault) => [formatFault(fault), fault]));
  const files = [...new Set(faults.map((fault) => fault.file))];
  return [...unique.values()].sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}
