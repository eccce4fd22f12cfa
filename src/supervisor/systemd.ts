import { spawn } from 'node:child_process';

/**
 * Tells systemd the service's state (sd_notify(3)), when it runs this service as `Type=notify`. Through systemd-notify,
 * since Node has no unix datagram sockets; the unit needs `NotifyAccess=all`.
 */
export function notifySystemd(variables: string[]): void {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  const child = spawn('systemd-notify', variables, { stdio: 'ignore' });
  child.on('error', () => {});
}
