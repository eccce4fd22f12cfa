/*
 * Processes of different versions talk to each other: `restart` starts workers of the code on disk below a supervisor
 * that is older, `upgrade` starts a new supervisor beside the old one. These count up when the messages, the plan or
 * the order of the catalogue changes in a way that the other side would misread.
 */

/** Between a supervisor and the one that replaces it. */
export const protocol = 1;
/** Between a supervisor and its workers. */
export const workerProtocol = 2;
