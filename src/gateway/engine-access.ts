/** Who may ask the engine and the scraper that we start: this gateway. Web pages in a browser of this machine reach loopback, too. */

import { randomBytes } from 'node:crypto';

export interface EngineAccess {
  /** The whole environment of both. */
  env: NodeJS.ProcessEnv;
  /** The value of `Authorization` that they ask for. */
  authorization: string;
}

/** What they read from their environment with `-envflag.enable`; command lines are for everybody to read. */
const username = 'httpAuth_username';
const password = 'httpAuth_password';
/** Paths that a password alone leaves open; to delete needs both. The last two are the scraper's. */
const authKeys = ['deleteAuthKey', 'metricsAuthKey', 'flagsAuthKey', 'pprofAuthKey', 'configAuthKey', 'reloadAuthKey'];

/** No flag of theirs is named like these, but one may be named like any other: `tls`, `version`. */
const passed = /^([A-Z][A-Z0-9_]*|(http|https|no|all)_proxy)$/;

const secret = (): string => randomBytes(24).toString('base64url');

/** Random, but for what the environment given says itself. @param outer this process's environment. */
export function engineAccess(outer: NodeJS.ProcessEnv): EngineAccess {
  const env = Object.fromEntries(Object.entries(outer).filter(([name]) => passed.test(name)));
  const user = outer[username] || 'fly-edge';
  const secretWord = outer[password] || secret();
  env[username] = user;
  env[password] = secretWord;
  for (const name of authKeys) env[name] = outer[name] || secret();
  // A list, one for each place written to: only in quotes may a comma be part of one.
  env.remoteWrite_basicAuth_username = JSON.stringify(user);
  env.remoteWrite_basicAuth_password = JSON.stringify(secretWord);
  return { env, authorization: `Basic ${Buffer.from(`${user}:${secretWord}`).toString('base64')}` };
}
