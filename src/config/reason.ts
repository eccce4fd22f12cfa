const known: Record<string, string> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is no directory',
  EADDRNOTAVAIL: 'this machine has no such address',
};

/** Why the system or OpenSSL refused, in a few words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return known[code ?? ''] ?? code ?? message;
}
