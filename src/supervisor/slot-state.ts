/**
 * starting   its workers read the plan and make the first health checks
 * ready      all workers could accept, and are let to; one that dies before all of them do is a fault
 * accepting  serves; a worker that dies is replaced
 * draining   finishes what it has; a worker that dies is not replaced
 * ended      no process is left
 */
export type SlotState = 'starting' | 'ready' | 'accepting' | 'draining' | 'ended';
export const slotStates: readonly SlotState[] = ['starting', 'ready', 'accepting', 'draining', 'ended'];
