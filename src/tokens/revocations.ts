import { z } from 'zod';
import { FileView } from './files.ts';
import { changeJson, readJson } from './json-file.ts';

const revocationsFile = z.object({ revoked: z.array(z.object({ nonce: z.string(), at: z.iso.datetime() })) });
const none = { revoked: [] };

/** Nonces of tokens that are void, with all that was made from them by adding caveats; in a file beside the keys. */
export class Revocations {
  readonly #file: string;
  readonly #view: FileView<Set<string>>;

  constructor(keysFile: string) {
    this.#file = `${keysFile}.revoked.json`;
    this.#view = new FileView(this.#file, (file) => {
      const { revoked } = readJson(file, revocationsFile, none);
      return new Set(revoked.map(({ nonce }) => nonce));
    });
  }

  /** Throws a sentence when the file can't be read. */
  has(nonce: string): boolean {
    return this.#view.value.has(nonce);
  }

  async add(nonce: string): Promise<void> {
    await changeJson(this.#file, revocationsFile, none, ({ revoked }) => ({
      revoked: revoked.some((each) => each.nonce === nonce)
        ? revoked
        : [...revoked, { nonce, at: new Date().toISOString() }],
    }));
  }
}
