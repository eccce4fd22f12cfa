import { lower, trimOws } from './ascii.ts';

/** What a Content-Type says but for its parameters: `type/subtype`, in whatever case it was written (RFC 9110 8.3.1). */
export const mediaType = (field = ''): string => lower(trimOws(field.split(';', 1)[0]!));
