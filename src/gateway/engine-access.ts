/** Who may ask the engine that we start: this gateway. Web pages in a browser of this machine reach loopback, too. */

import { randomBytes } from 'node:crypto';

export interface EngineAccess {
  /** The engine's whole environment. */
  env: NodeJS.ProcessEnv;
  /** The value of `Authorization` that it asks for. */
  authorization: string;
}

/** What an engine reads from its environment with `-envflag.enable`; command lines are for everybody to read. */
const username = 'httpAuth_username';
const password = 'httpAuth_password';
/** Paths that a password alone leaves open; to delete needs both. */
const authKeys = ['deleteAuthKey', 'metricsAuthKey', 'flagsAuthKey', 'pprofAuthKey'];

/** No flag of the engine's is named like these, but one may be named like any other: `tls`, `version`. */
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
  return { env, authorization: `Basic ${Buffer.from(`${user}:${secretWord}`).toString('base64')}` };
}

/** Of further flags for the engine: what would open it, or close it to us. @returns a sentence, or null. */
export function accessFault(flags: readonly string[]): string | null {
  for (const flag of flags) {
    const [name = ''] = flag.replace(/^--?/, '').split('=', 1);
    if (name.startsWith('httpAuth.'))
      return `${flag.split('=', 1)[0]}: set ${name.replace('.', '_')} in the environment: who may read command lines would know it`;
    if (name.startsWith('envflag.')) return `-${name}: its password comes by the environment`;
    if (name === 'httpListenAddr') return '-httpListenAddr: write storage in [gateway], which says where it listens';
  }
  return null;
}
