/** Lines that strangers cause, a bounded number of each kind: a token bucket for each code and app, and one for each code. */

/** Seconds' worth of lines that may come at once: what goes wrong now and then is told in full. */
const burst = 10;
/** One code may have so many times as many lines as one app: a noisy app hides no other, and many apps no code. */
const appsShare = 10;
/** What was left out is told so often (milliseconds). */
const tellInterval = 1_000;

class Bucket {
  leftOut = 0;
  readonly #rate: number;
  #tokens: number;
  #filledAt = performance.now();

  /** @param rate tokens a second. */
  constructor(rate: number) {
    this.#rate = rate;
    this.#tokens = rate * burst;
  }

  /** Whether there is one, which `take` takes. */
  has(now: number): boolean {
    this.#tokens = Math.min(this.#rate * burst, this.#tokens + ((now - this.#filledAt) / 1000) * this.#rate);
    this.#filledAt = now;
    return this.#tokens >= 1;
  }

  take(): void {
    this.#tokens -= 1;
  }
}

interface Buckets {
  readonly all: Bucket;
  readonly apps: Map<string, Bucket>;
}

export class Rated {
  /** Lines a second; 0: as many as come. */
  readonly #rate: number;
  readonly #tell: (code: string, app: string, leftOut: number) => void;
  /** By code, then app: both from lists of ours. */
  readonly #buckets = new Map<string, Buckets>();
  #timer: NodeJS.Timeout | null = null;

  /** @param rate lines a second of one code and app. @param tell how many lines of a kind were left out since the last time. */
  constructor(rate: number, tell: (code: string, app: string, leftOut: number) => void) {
    this.#rate = rate;
    this.#tell = tell;
  }

  /** Whether a line may be written; it is counted either way. */
  allows(code: string, app: string): boolean {
    if (this.#rate === 0) return true;
    const { all, apps } = this.#ofCode(code);
    let bucket = apps.get(app);
    if (bucket === undefined) apps.set(app, (bucket = new Bucket(this.#rate)));
    const now = performance.now();
    if (bucket.has(now) && all.has(now)) {
      bucket.take();
      all.take();
      return true;
    }
    bucket.leftOut += 1;
    this.#timer ??= setTimeout(() => this.flush(), tellInterval);
    return false;
  }

  /** Tells what was left out, at the latest before the process ends. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [code, { apps }] of this.#buckets) {
      for (const [app, bucket] of apps) {
        if (bucket.leftOut === 0) continue;
        this.#tell(code, app, bucket.leftOut);
        bucket.leftOut = 0;
      }
    }
  }

  #ofCode(code: string): Buckets {
    let buckets = this.#buckets.get(code);
    if (buckets === undefined)
      this.#buckets.set(code, (buckets = { all: new Bucket(this.#rate * appsShare), apps: new Map() }));
    return buckets;
  }
}
