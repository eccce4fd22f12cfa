/**
 * unauthorized  the token is not good, or not for this
 * unavailable   nobody answers, or not in time: it may come back by itself
 * refused       this one question has no answer; others may
 */
export type FailureKind = 'unauthorized' | 'unavailable' | 'refused';

export class Failure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What failed in `fetch`: its errors say little more than that there was no answer. */
export function unreachable(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const late = error instanceof DOMException && error.name === 'TimeoutError';
  return new Failure('unavailable', late ? 'no answer in time' : 'the connection failed');
}
