import { isCount } from '../numbers.ts';
import { family, type Page } from '../page.ts';

const allocated = family('filefd_allocated');
const maximum = family('filefd_maximum');

/** /proc/sys/fs/file-nr: `450 0 2466183`; the one in the middle is always 0. */
export function readFileNr(text: string, page: Page, fault: (reason: string) => void): void {
  const [inUse, , most] = text.replace('\n', '').split('\t');
  if (isCount(inUse) && isCount(most)) {
    page.add(allocated, inUse);
    page.add(maximum, most);
  } else {
    fault('these are not three counts');
  }
}
