/** Milliseconds without a byte taken, after which a reader's place is another's who wants it: the kernel's buffers are full. */
export const stalled = 2_000;
