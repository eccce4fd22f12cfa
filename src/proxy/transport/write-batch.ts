/**
 * Heads written in one turn of the event loop go out together at its end, as long as there are many. Whoever is written to again a
 * moment later has not fallen asleep meanwhile and need not be woken, which is the dearest part of a write on loopback
 * (docs/data-path.md). With few writes a turn there is nothing to gain, and they go out at once.
 */

/** A socket that has kept text for the end of the turn. */
export interface Writer {
  flush(): void;
}

/** Writes of one turn from which on the next turns keep theirs, and below which they soon do not any more. */
const many = 16;
const few = 8;
/** Turns with few writes, one after the other, that end it. */
const quietTurns = 16;
/** While writes go out at once, one in so many begins to count those that follow in its turn. */
const sampleEvery = 256;

const State = {
  /** Writes go out at once. */
  direct: 'direct',
  /** So they do, and those of this turn are counted. */
  counting: 'counting',
  /** Writes are kept until the end of the turn. */
  batching: 'batching',
} as const;
type State = (typeof State)[keyof typeof State];

let state: State = State.direct;
/** direct: writes since the last count; counting: writes in this turn; batching: quiet turns so far. */
let count = 0;
const writers: Writer[] = [];

/** Whether `writer` keeps what it would write until it is flushed, at the end of the turn. Called for each first write of a turn. */
export function keepForBatch(writer: Writer): boolean {
  if (state === State.batching) {
    if (writers.length === 0) setImmediate(flushAll);
    writers.push(writer);
    return true;
  }
  count++;
  if (state === State.direct && count === sampleEvery) {
    enter(State.counting);
    setImmediate(counted);
  }
  return false;
}

function enter(next: State): void {
  state = next;
  count = 0;
}

function counted(): void {
  enter(count < many ? State.direct : State.batching);
}

function flushAll(): void {
  count = writers.length < few ? count + 1 : 0;
  // One that is flushed may have others write.
  for (let i = 0; i < writers.length; i++) writers[i]!.flush();
  writers.length = 0;
  if (count === quietTurns) enter(State.direct);
}
