/**
 * How a generation leaves while another one takes over. Clients are asked to leave (`Connection: close`) at moments spread
 * over a window, so that they do not all reconnect at once. A connection without a request is closed only after it was
 * silent for as long as common servers keep one (Node: 5 s): a request could be on its way, and be lost.
 */
export const drainWindow = 3_000;
export const drainSilence = 5_000;
