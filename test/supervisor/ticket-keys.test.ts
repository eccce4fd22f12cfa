import { expect, onTestFinished, test, vi } from 'vitest';
import { TicketKeys } from '../../src/supervisor/ticket-keys.ts';

test('a new key every twelve hours, and the one before it stays good', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const keys = new TicketKeys();
  const [first] = keys.keys;
  expect(first).toHaveLength(48);
  vi.advanceTimersByTime(12 * 3_600_000 - 1);
  expect(keys.due).toBe(false);
  // Also over an upgrade.
  const next = new TicketKeys(keys.keys, keys.since);
  vi.advanceTimersByTime(1);
  expect(next.due).toBe(true);
  next.rotate();
  expect(next.due).toBe(false);
  expect(next.keys[1]).toBe(first);
  expect(next.keys[0]).not.toEqual(first);
  next.rotate();
  expect(next.keys).toHaveLength(2);
  expect(next.keys).not.toContain(first);
});
