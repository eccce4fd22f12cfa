import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { notifySystemd } from '../../src/supervisor/systemd.ts';
import { temporaryFolder, until } from './helpers.ts';

test('systemd is told by systemd-notify, where it asks for it; without the program nothing happens', async () => {
  const folder = temporaryFolder();
  const told = join(folder, 'told');
  const { PATH, NOTIFY_SOCKET } = process.env;
  onTestFinished(() => {
    process.env.PATH = PATH;
    if (NOTIFY_SOCKET === undefined) delete process.env.NOTIFY_SOCKET;
  });
  process.env.PATH = `${folder}${delimiter}${PATH}`;
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$@" > ${told}.part && mv ${told}.part ${told}\n`, {
    mode: 0o755,
  });
  notifySystemd(['READY=1', 'MAINPID=7']);
  process.env.NOTIFY_SOCKET = join(folder, 'notify');
  expect(existsSync(told)).toBe(false);
  notifySystemd(['READY=1', 'MAINPID=8']);
  await until(() => existsSync(told));
  expect(readFileSync(told, 'utf8')).toBe('READY=1 MAINPID=8\n');
  process.env.PATH = folder.replace('fly-edge', 'nowhere');
  notifySystemd(['READY=1']);
});
