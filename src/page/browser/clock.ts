/** Times of day as the page writes them: 24 hours, the reader's own zone. */

const formatter = (options: Intl.DateTimeFormatOptions) => {
  const { format } = new Intl.DateTimeFormat('en-GB', options);
  return (seconds: number): string => format(seconds * 1000);
};

export const toSecond = formatter({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const toMinute = formatter({ hour: '2-digit', minute: '2-digit' });
export const toDay = formatter({ day: 'numeric', month: 'short' });

export const now = (): number => Date.now() / 1000;
