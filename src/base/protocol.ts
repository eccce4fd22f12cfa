/*
 * Processes of different versions talk to each other: `restart` starts workers of the code on disk below a supervisor
 * that is older, `upgrade` starts a new supervisor beside the old one. These count up when the messages or the plan
 * change in a way that the other side would misread. Counts carry their series' names: the catalogue may change anywhere.
 */

/** Between a supervisor and the one that replaces it. */
export const protocol = 2;
/** Those that it can take over from: 1 tells positions in the catalogue instead of names. */
export const understood: readonly number[] = [1, protocol];
/** Between a supervisor and its workers. */
export const workerProtocol = 3;
