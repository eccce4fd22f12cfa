/**
 * How large a query becomes when MetricsQL's WITH templates are put in for their names: before that the engine looks at no
 * deadline, and `a = b + b, b = c + c, …` doubles with each definition, until the engine has no memory left.
 *
 * Sizes are characters. What this reader does not understand, the engine refuses, before it expands anything.
 */

/** A size that depends on what the parameters of the templates around it will be. */
interface Size {
  fixed: number;
  /** How often each of them stands in it. */
  uses: Map<Parameter, number>;
}

interface Parameter {
  template: Template;
  index: number;
}

interface Template {
  parameters: number;
  size: Size;
}

/** Larger than anything; products of two such are still numbers. */
const boundless = 1e15;
/** Steps for one query: templates with thousands of parameters would make many of few characters. */
const mostSteps = 1_000_000;
/** Templates in templates. */
const deepest = 200;

const space = /[ \t\n\v\f\r]+|#[^\n]*/y;
const string = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`/sy;
const name = /(?:[\p{L}_:]|\\.)(?:[\p{L}\p{Nd}_:.]|\\.)*/suy;
const number = /[0-9][0-9A-Za-z_.]*/y;

/** What stands in the engine itself, as templates: each uses a parameter twice. */
const builtIn = [
  'ru(freev, maxv) = clamp_min(maxv - clamp_min(freev, 0), 0) / clamp_min(maxv, 0) * 100',
  'ttf(freev) = smooth_exponential(clamp_max(-freev / clamp_max(deriv_fast(freev), 0), 31536000), clamp_max(step(), 1))',
].join(', ');

/** Characters of the expanded query; `Infinity` when that is too much work to tell. */
export function expandedSize(query: string): number {
  try {
    // Without any of these, it is as long as it is written.
    return /w[iİ]th|ru|ttf|\\/i.test(query) ? new Reader(`WITH (${builtIn}) ${query}`).size() : query.length;
  } catch (error) {
    if (error instanceof TooMuch) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

class TooMuch extends Error {}

class Reader {
  readonly #tokens: readonly string[];
  #at = 0;
  #steps = 0;
  #depth = 0;
  /** The templates of each name, the innermost last. */
  readonly #scope = new Map<string, Template[]>();

  constructor(query: string) {
    this.#tokens = tokensOf(query);
  }

  size(): number {
    let size = 0;
    // Past a bracket that closes nothing; the engine refuses such.
    for (; this.#at < this.#tokens.length; this.#at++) size += this.#expression().fixed;
    return size;
  }

  /** Up to the bracket or comma that ends it. */
  #expression(): Size {
    const size: Size = { fixed: 0, uses: new Map() };
    let open = 0;
    let braces = 0;
    for (let token = this.#peek(); token !== ''; token = this.#peek()) {
      if (open === 0 && (token === ',' || isClosing(token))) break;
      this.#at++;
      if (isOpening(token)) open++;
      if (isClosing(token)) open--;
      if (token === '{') braces++;
      if (token === '}') braces--;
      if (isWith(token) && this.#peek() === '(') this.#add(size, this.#with(), 1);
      else this.#add(size, this.#sizeOf(token, braces > 0), 1);
    }
    return size;
  }

  /** After `WITH`: the definitions, and what they are for. */
  #with(): Size {
    const defined: string[] = [];
    this.#deeper(1);
    this.#at++;
    while (this.#peek() !== '' && this.#peek() !== ')') {
      const defining = unescaped(this.#peek());
      this.#at++;
      const template: Template = { parameters: 0, size: { fixed: 0, uses: new Map() } };
      const parameters: string[] = [];
      if (this.#peek() === '(') {
        for (this.#at++; this.#peek() !== '' && this.#peek() !== ')'; this.#at++) {
          if (this.#peek() === ',') continue;
          const parameter = { template, index: parameters.length };
          parameters.push(unescaped(this.#peek()));
          this.#bind(parameters.at(-1)!, { parameters: 0, size: { fixed: 0, uses: new Map([[parameter, 1]]) } });
        }
        this.#at++;
      }
      template.parameters = parameters.length;
      if (this.#peek() === '=') this.#at++;
      template.size = this.#expression();
      for (const parameter of parameters) this.#unbind(parameter);
      this.#bind(defining, template);
      defined.push(defining);
      if (this.#peek() === ',') this.#at++;
      else if (this.#peek() !== ')') break;
    }
    if (this.#peek() === ')') this.#at++;
    const size = this.#expression();
    for (const each of defined) this.#unbind(each);
    this.#deeper(-1);
    return size;
  }

  /** @param token the one before the next. */
  #sizeOf(token: string, inBraces: boolean): Size {
    const plain: Size = { fixed: token.length, uses: new Map() };
    const next = this.#peek();
    if (isString(token)) {
      // `{"name"}` and `{__name__="name"}` are the metric, and with it the template, of this name.
      const named = inBraces ? this.#scope.get(token.slice(1, -1))?.at(-1) : undefined;
      return token.includes('\\') && inBraces ? this.#largest(plain) : named?.parameters === 0 ? named.size : plain;
    }
    if (!isName(token)) return plain;
    // A label, in `{label="…"}`.
    if (inBraces && (next === '=' || next === '!')) return plain;
    const text = unescaped(token);
    // Names of aggregations are read in any case.
    const template = (this.#scope.get(text) ?? this.#scope.get(folded(text)))?.at(-1);
    if (template === undefined) return plain;
    if (template.parameters === 0) return template.size;
    const given = this.#arguments();
    return given.length === template.parameters ? this.#applied(template, given) : plain;
  }

  /** The sizes of a call's arguments, after its name; none when it is not called. */
  #arguments(): Size[] {
    const given: Size[] = [];
    this.#deeper(1);
    if (['by', 'without'].includes(folded(this.#peek()))) {
      while (this.#peek() !== '' && this.#peek() !== ')') this.#at++;
      this.#at++;
    }
    if (this.#peek() === '(') {
      for (this.#at++; this.#peek() !== '' && !isClosing(this.#peek()); ) {
        given.push(this.#expression());
        if (this.#peek() === ',') this.#at++;
      }
      this.#at++;
    }
    this.#deeper(-1);
    return given;
  }

  #applied(template: Template, given: readonly Size[]): Size {
    const size: Size = { fixed: template.size.fixed, uses: new Map() };
    for (const [parameter, times] of template.size.uses) {
      if (parameter.template === template) this.#add(size, given[parameter.index]!, times);
      else this.#add(size, { fixed: 0, uses: new Map([[parameter, 1]]) }, times);
    }
    return size;
  }

  /** The largest of all that a name could stand for. */
  #largest(plain: Size): Size {
    let largest = plain;
    for (const [template] of [...this.#scope.values()].map((all) => all.slice(-1))) {
      this.#step();
      if (template !== undefined && template.size.fixed > largest.fixed) largest = template.size;
    }
    return largest;
  }

  #add(to: Size, { fixed, uses }: Size, times: number): void {
    this.#step();
    to.fixed = Math.min(boundless, to.fixed + fixed * times);
    for (const [parameter, count] of uses) {
      this.#step();
      to.uses.set(parameter, Math.min(boundless, (to.uses.get(parameter) ?? 0) + count * times));
    }
  }

  /** The next token; '' at the end. */
  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #bind(text: string, template: Template): void {
    const all = this.#scope.get(text);
    if (all === undefined) this.#scope.set(text, [template]);
    else all.push(template);
  }

  #unbind(text: string): void {
    this.#scope.get(text)!.pop();
  }

  #step(): void {
    if (++this.#steps > mostSteps) throw new TooMuch();
  }

  #deeper(by: 1 | -1): void {
    this.#depth += by;
    if (this.#depth > deepest) throw new TooMuch();
  }
}

function tokensOf(query: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < query.length; ) {
    const token =
      match(space, query, at) ?? match(string, query, at) ?? match(name, query, at) ?? match(number, query, at);
    const length = token?.length ?? 1;
    if (token === null || !/^[ \t\n\v\f\r#]/.test(token)) tokens.push(query.slice(at, at + length));
    at += length;
  }
  return tokens;
}

function match(form: RegExp, text: string, at: number): string | null {
  form.lastIndex = at;
  return form.exec(text)?.[0] ?? null;
}

const isOpening = (token: string): boolean => token === '(' || token === '[' || token === '{';
const isClosing = (token: string): boolean => token === ')' || token === ']' || token === '}';
const isString = (token: string): boolean => token.length > 1 && /^["'`]/.test(token);
const isName = (token: string): boolean => /^(?:[\p{L}_:]|\\.)/su.test(token);
const isWith = (token: string): boolean => folded(token) === 'with';

/** As Go's `strings.ToLower`, for which the Turkish İ is an i. */
const folded = (token: string): string => token.replaceAll('İ', 'i').toLowerCase();

/** `\x61`, `\u0061` and `\a` are `a`. */
const unescaped = (token: string): string =>
  token.includes('\\')
    ? token.replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))/gisu, (_all, two, four, one) =>
        one === undefined ? String.fromCharCode(Number.parseInt(two ?? four, 16)) : one,
      )
    : token;
