import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { z } from 'zod';
import { createFile, FileView } from './files.ts';
import { changeJson, formatJson, readJson } from './json-file.ts';
import { keyLength } from './macaroon.ts';

/** A root key; tokens carry its id as KID, so that several keys can be good at once. */
export interface RootKey {
  id: Buffer;
  key: Buffer;
}

const base64Of = (length: number) =>
  z.base64().refine((text) => Buffer.from(text, 'base64').length === length, `not ${length} bytes in base64`);

const idLength = 16;
const keysFile = z.object({
  /** The newest, which signs, first. */
  keys: z.array(z.object({ id: base64Of(idLength), key: base64Of(keyLength), created: z.iso.datetime() })).min(1),
});
type KeysFile = z.infer<typeof keysFile>;

/** The root keys in a file of mode 0600, made when missing. What another process changes there is seen at once. */
export class Keys {
  readonly #file: string;
  readonly #view: FileView<RootKey[]>;

  /** Throws a sentence when the file can't be made. */
  constructor(file: string) {
    this.#file = file;
    if (statSync(file, { throwIfNoEntry: false }) === undefined) createFile(file, formatJson({ keys: [newKey()] }));
    this.#view = new FileView(file, readKeys);
  }

  /** All of these throw a sentence when the file can't be read, or others than its owner can read it. */
  get newest(): RootKey {
    return this.#view.value[0];
  }

  find(kid: Uint8Array): Uint8Array | undefined {
    return this.#view.value.find(({ id }) => id.equals(kid))?.key;
  }

  /** From now on a new key signs. Without the old ones, tokens signed with them are void. */
  async rotate({ dropOld = false } = {}): Promise<void> {
    readKeys(this.#file);
    await changeJson<KeysFile>(this.#file, keysFile, { keys: [] }, ({ keys }) => ({
      keys: [newKey(), ...(dropOld ? [] : keys)],
    }));
  }
}

const newKey = (): KeysFile['keys'][number] => ({
  id: randomBytes(idLength).toString('base64'),
  key: randomBytes(keyLength).toString('base64'),
  created: new Date().toISOString(),
});

function readKeys(file: string): RootKey[] {
  const { keys } = readJson<KeysFile>(file, keysFile, { keys: [] });
  if (keys.length === 0) throw new Error(`${file} is missing`);
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new Error(`${file} has the mode 0${mode.toString(8)}, others can read root keys: chmod 600 ${file}`);
  }
  return keys.map(({ id, key }) => ({ id: Buffer.from(id, 'base64'), key: Buffer.from(key, 'base64') }));
}
