/**
 * The same latin1 text in one piece. V8 keeps joined text as a tree, which every write of a head would walk anew: what many
 * heads have in common is made flat once.
 */
export const flat = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');
