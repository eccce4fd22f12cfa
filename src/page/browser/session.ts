/** The token, for this tab and as long as it is open: in no URL, cookie or storage that stays. */

export interface Credentials {
  org: string;
  token: string;
}

const key = 'fly-edge.credentials';

export function remembered(): Credentials | null {
  const stored = sessionStorage.getItem(key);
  return stored === null ? null : JSON.parse(stored);
}

export const remember = (credentials: Credentials): void => sessionStorage.setItem(key, JSON.stringify(credentials));

export const forget = (): void => sessionStorage.removeItem(key);
