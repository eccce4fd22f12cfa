import { z } from 'zod';
import { changeJson, readJson } from './json-file.ts';

const entry = z.object({
  nonce: z.string(),
  name: z.string().nullable(),
  kind: z.enum(['full', 'org', 'readonly']),
  /** Slug; null is every organization. */
  organization: z.string().nullable(),
  created: z.iso.datetime(),
  expires: z.iso.datetime().nullable(),
});
export type Entry = z.infer<typeof entry>;

const registryFile = z.object({ tokens: z.array(entry) });

/** What tokens were made here, for people. Never the tokens: nothing in this file opens anything. */
export class Registry {
  readonly #file: string;

  constructor(keysFile: string) {
    this.#file = `${keysFile}.tokens.json`;
  }

  /** Throws a sentence when the file can't be read. */
  list(): Entry[] {
    return readJson(this.#file, registryFile, { tokens: [] }).tokens;
  }

  /** Throws a sentence when a token that is not void has the name. */
  async add(added: Entry, isVoid: (entry: Entry) => boolean): Promise<void> {
    await changeJson(this.#file, registryFile, { tokens: [] }, ({ tokens }) => {
      if (added.name !== null && tokens.some((each) => each.name === added.name && !isVoid(each))) {
        throw new Error(`there is a token with the name ${added.name} already`);
      }
      return { tokens: [...tokens, added] };
    });
  }
}
