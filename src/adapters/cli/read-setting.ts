import { z } from 'zod';

/** Reads the text of a setting, or says why not and how it is written. */
export function read<Value>(
  parse: (text: string) => Value | undefined,
  what: (text: string) => string,
  todo: string,
) {
  return z.string().transform((text, context): Value => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: what(text), params: { todo }, input: text });
    return z.NEVER;
  });
}

/** What is wrong with a text: `"x" is no …`. */
export const isNo = (kind: string) => (text: string) => `${JSON.stringify(text)} is no ${kind}`;
