let date = '';
let dateSecond = -1;

/** RFC 9110 6.6.1; made once a second. */
export function dateField(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    date = new Date(second * 1000).toUTCString();
  }
  return `Date: ${date}\r\n`;
}
