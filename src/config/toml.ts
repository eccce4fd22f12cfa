import { type AST, ParseError, parseTOML } from 'toml-eslint-parser';
import type { Findings, Origin, Position } from './fault.ts';

export type Path = readonly PropertyKey[];
type Table = Record<string, unknown>;

/** The shape of the value once more, with the position of each key and value. */
interface Place {
  key: Position;
  value: Position;
  children: Map<PropertyKey, Place> | Place[];
}

const start: Position = { line: 1, column: 1 };
const position = (node: AST.TOMLNode): Position => ({
  line: node.loc.start.line,
  column: node.loc.start.column + 1,
});
const nameOf = (key: AST.TOMLBare | AST.TOMLQuoted): string => (key.type === 'TOMLBare' ? key.name : key.value);

/** A TOML file as plain values that know where they stand, so that what is wrong with them can be told there. */
export class TomlFile {
  readonly file: string;
  readonly findings: Findings;
  readonly value: Table = Object.create(null);
  readonly #root: Place = { key: start, value: start, children: new Map() };

  constructor(file: string, program: AST.TOMLProgram, findings: Findings) {
    this.file = file;
    this.findings = findings;
    for (const node of program.body[0].body) {
      if (node.type === 'TOMLKeyValue') this.#assign(this.value, this.#root, node);
      else this.#table(node);
    }
  }

  /** Where the value of `path` stands; when it is missing, the innermost table around it. */
  origin(path: Path): Origin {
    return { file: this.file, ...this.#find(path).value };
  }

  keyOrigin(path: Path): Origin {
    return { file: this.file, ...this.#find(path).key };
  }

  /** A fault at the value of `path`. */
  fail(path: Path, message: string): void {
    this.findings.faults.push({ ...this.origin(path), message });
  }

  failKey(path: Path, message: string): void {
    this.findings.faults.push({ ...this.keyOrigin(path), message });
  }

  warn(path: Path, message: string): void {
    this.findings.warnings.push({ ...this.origin(path), message });
  }

  warnOfKey(path: Path, message: string): void {
    this.findings.warnings.push({ ...this.keyOrigin(path), message });
  }

  /** What stands at `path`; undefined when nothing does. */
  at(path: Path): unknown {
    return path.reduce<unknown>(
      (value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part],
      this.value,
    );
  }

  /** Takes the value at `path` out; later elements of an array move up, with their positions. */
  remove(path: Path): void {
    const last = path.at(-1)!;
    const parent = this.at(path.slice(0, -1));
    const children = this.#place(path.slice(0, -1))?.children;
    if (Array.isArray(parent)) parent.splice(Number(last), 1);
    else delete (parent as Record<PropertyKey, unknown>)[last];
    if (Array.isArray(children)) children.splice(Number(last), 1);
    else children?.delete(last);
  }

  /** `[key]` is read as `[[key]]`. */
  asArray(path: Path): void {
    const value = this.at(path);
    const place = this.#place(path);
    if (typeof value !== 'object' || value === null || Array.isArray(value) || place === undefined) return;
    this.#put(path, [value], { ...place, children: [place] });
  }

  /** The value at `path` becomes a table of what stands at the paths of `entries`; of what is missing there, `none`. */
  asTable(path: Path, entries: readonly [key: string, from: Path][], none: unknown): void {
    const place = this.#place(path);
    if (place === undefined) return;
    const table: Table = Object.create(null);
    const children = new Map<PropertyKey, Place>();
    for (const [key, from] of entries) {
      table[key] = this.at(from) ?? none;
      children.set(key, this.#find(from));
    }
    this.#put(path, table, { ...place, children });
  }

  /** A key at the top; of two arrays the elements of the old one come first. */
  rename(from: string, to: string): void {
    const place = this.#place([from]);
    if (place === undefined) return;
    const other = this.#place([to]);
    const [value, others] = [this.value[from], this.value[to]];
    if (other === undefined) this.#put([to], value, place);
    else if (Array.isArray(value) && Array.isArray(others)) {
      const children = [...(place.children as Place[]), ...(other.children as Place[])];
      this.#put([to], [...value, ...others], { ...other, children });
    } else return;
    this.remove([from]);
  }

  #put(path: Path, value: unknown, place: Place): void {
    const last = path.at(-1)!;
    (this.at(path.slice(0, -1)) as Record<PropertyKey, unknown>)[last] = value;
    const siblings = this.#find(path.slice(0, -1)).children;
    if (Array.isArray(siblings)) siblings[Number(last)] = place;
    else siblings.set(last, place);
  }

  /** Where exactly `path` stands. */
  #place(path: Path): Place | undefined {
    return path.reduce<Place | undefined>(
      (place, part) => (Array.isArray(place?.children) ? place.children[Number(part)] : place?.children.get(part)),
      this.#root,
    );
  }

  #find(path: Path): Place {
    let place = this.#root;
    for (const part of path) {
      const child = Array.isArray(place.children) ? place.children[Number(part)] : place.children.get(part);
      if (child === undefined) break;
      place = child;
    }
    return place;
  }

  /** `[a.b]` and `[[a.b]]`: the parser has resolved which element of an array is meant. */
  #table(node: AST.TOMLTable): void {
    let value: unknown = this.value;
    let place = this.#root;
    let keys = 0;
    const path = node.resolvedKey;
    for (const [depth, part] of path.entries()) {
      const key = typeof part === 'number' ? position(node) : position(node.key.keys[keys++]);
      [value, place] = descend(value, place, part, key, typeof path[depth + 1] === 'number');
    }
    place.value = position(node);
    for (const pair of node.body) this.#assign(value as Table, place, pair);
  }

  #assign(table: Table, place: Place, node: AST.TOMLKeyValue): void {
    const last = node.key.keys.at(-1)!;
    let inner: [unknown, Place] = [table, place];
    for (const key of node.key.keys.slice(0, -1)) {
      inner = descend(inner[0], inner[1], nameOf(key), position(key), false);
    }
    const [value, child] = this.#content(node.value, position(last));
    (inner[0] as Table)[nameOf(last)] = value;
    (inner[1].children as Map<PropertyKey, Place>).set(nameOf(last), child);
  }

  #content(node: AST.TOMLContentNode, key: Position): [unknown, Place] {
    const place: Place = { key, value: position(node), children: new Map() };
    if (node.type === 'TOMLValue') return [node.value, place];
    if (node.type === 'TOMLInlineTable') {
      const table: Table = Object.create(null);
      for (const pair of node.body) this.#assign(table, place, pair);
      return [table, place];
    }
    const elements = node.elements.map((element) => this.#content(element, position(element)));
    place.children = elements.map(([, child]) => child);
    return [elements.map(([value]) => value), place];
  }
}

/** Steps into `part`, which is made when it is not there yet. */
function descend(value: unknown, place: Place, part: PropertyKey, where: Position, array: boolean): [unknown, Place] {
  const owner = value as Record<PropertyKey, unknown>;
  owner[part] ??= array ? [] : Object.create(null);
  const made: Place = { key: where, value: where, children: array ? [] : new Map() };
  let child: Place;
  if (Array.isArray(place.children)) child = place.children[Number(part)] ??= made;
  else {
    child = place.children.get(part) ?? made;
    place.children.set(part, child);
  }
  return [owner[part], child];
}

/** TOML 1.1; null when it isn't. The parser stops at the first syntax error, which is the fault. */
export function parseToml(file: string, bytes: Uint8Array, findings: Findings): TomlFile | null {
  const fault = (where: Position, message: string): null => {
    findings.faults.push({ file, ...where, message });
    return null;
  };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return fault(start, 'this file is not UTF-8 text: save it as UTF-8');
  }
  try {
    return new TomlFile(file, parseTOML(text, { tomlVersion: '1.1' }), findings);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return fault({ line: error.lineNumber, column: error.column + 1 }, `not valid TOML: ${error.message}`);
  }
}
