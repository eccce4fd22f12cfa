/** Permits below the hard limits of upstreams, which all workers share: the supervisor has them. */
export interface Permits {
  /** Asks for `want` more; the answer is a grant. */
  lease(key: string, want: number): void;
  /** Gives some back. */
  release(key: string, permits: number): void;
}
