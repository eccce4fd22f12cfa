/** Flags of victoria-metrics and vmagent that the user adds: whose each is, and those that can't be taken. */

/** Where it writes to, and as whom. */
const destination =
  /^remoteWrite\.(url|urlRelabelConfig|tmpDataPath|multitenantURL|basicAuth\..*|bearerToken.*|oauth2\..*|tls.*|proxyURL|headers|aws\..*)$/;

const nameOf = (flag: string): string => flag.replace(/^--?/, '').split('=', 1)[0]!;

/** Those for whoever scrapes; all others are the engine's. */
const scrapes = (flag: string): boolean => /^(promscrape|remoteWrite)\./.test(nameOf(flag));

/** @param beside whether a scraper runs beside the engine. */
export function splitFlags(flags: readonly string[], beside: boolean): { engine: string[]; scraper: string[] } {
  if (!beside) return { engine: [...flags], scraper: [] };
  return { engine: flags.filter((flag) => !scrapes(flag)), scraper: flags.filter(scrapes) };
}

/**
 * What would open the engine or the scraper, close them to us, or send the samples elsewhere.
 * @param beside whether a scraper runs beside the engine. @returns a sentence, or null.
 */
export function furtherFlagsFault(flags: readonly string[], beside: boolean): string | null {
  for (const flag of flags) {
    const name = nameOf(flag);
    if (name.startsWith('httpAuth.'))
      return `-${name}: set ${name.replace('.', '_')} in the environment: who may read command lines would know it`;
    if (name.startsWith('envflag.')) return `-${name}: its password comes by the environment`;
    if (name === 'httpListenAddr') return '-httpListenAddr: write storage in [gateway], which says where it listens';
    if (!name.startsWith('remoteWrite.')) continue;
    if (!beside) return `-${name}: it is vmagent's, which does not run: see --scraper`;
    if (destination.test(name))
      return `-${name}: vmagent writes to the engine that was started with it, and to no other`;
  }
  return null;
}
