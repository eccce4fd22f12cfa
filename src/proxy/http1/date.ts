import { flat } from '../flat.ts';

let line = '';
let lineSecond = -1;

/** RFC 9110 6.6.1; made once a second. */
export function dateField(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== lineSecond) {
    lineSecond = second;
    line = flat(`Date: ${new Date(second * 1000).toUTCString()}\r\n`);
  }
  return line;
}
