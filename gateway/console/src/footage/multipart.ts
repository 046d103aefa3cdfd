// A clip out of the bytes of `multipart/x-mixed-replace` (RFC 2046 5.1): where each picture lies and when it was taken. Pure.
//
// Promise: a part is given only if its head says its length and its time and all of its bytes are there; the first one that is not
// ends the reading, and `broken` says where and why. Nothing is copied: a part names its bytes.

/** One picture: bytes `from` up to `to`, taken at `at` (milliseconds since 1970). */
export interface Part { type: string; at: number; from: number; to: number }
/** What is wrong with a part: its begin is no delimiter, its head cannot be read, says no length or no time, or its bytes end early. */
export type Fault = "delimiter" | "head" | "length" | "time" | "cut";
export interface Parted { parts: Part[]; broken: { at: number; why: Fault } | null }

const HEAD_MAX = 4096;
const CR = 13, LF = 10, DASH = 45;

/** The parts in file order. The boundary is the file's own first line, so that no header of the answer is needed. */
export function partsOf(bytes: Uint8Array): Parted {
  const parts: Part[] = [];
  const broken = (at: number, why: Fault): Parted => ({ parts, broken: { at, why } });
  let at = skipBreaks(bytes, 0);
  let delimiter: string | null = null;
  while (at < bytes.length) {
    const line = lineAt(bytes, at);
    if (line == null || bytes[at] !== DASH || bytes[at + 1] !== DASH) return broken(at, "delimiter");
    if (delimiter == null) delimiter = line.text;
    else if (line.text === `${delimiter}--`) return { parts, broken: null };
    else if (line.text !== delimiter) return broken(at, "delimiter");
    const head = headAt(bytes, line.next);
    if (!head) return broken(at, "head");
    const length = Number(head.fields.get("content-length") ?? NaN), taken = Number(head.fields.get("x-timestamp") ?? NaN);
    if (!Number.isSafeInteger(length) || length < 1) return broken(at, "length");
    if (!Number.isSafeInteger(taken) || taken <= 0) return broken(at, "time");
    if (head.next + length > bytes.length) return broken(at, "cut");
    parts.push({ type: head.fields.get("content-type") ?? "", at: taken, from: head.next, to: head.next + length });
    at = skipBreaks(bytes, head.next + length);
  }
  return { parts, broken: null };
}

function skipBreaks(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === CR || bytes[at] === LF) at += 1;
  return at;
}

/** A line of the head, without its end; the last line of a file may have none. Null if it is too long for one. */
function lineAt(bytes: Uint8Array, from: number): { text: string; next: number } | null {
  const limit = Math.min(bytes.length, from + HEAD_MAX);
  let end = from;
  while (end < limit && bytes[end] !== LF) end += 1;
  if (end === limit && limit < bytes.length) return null;
  const text = String.fromCharCode(...bytes.subarray(from, end)).replace(/\r$/, "");
  return { text, next: Math.min(end + 1, bytes.length) };
}

/** The fields up to the empty line, names in small letters. */
function headAt(bytes: Uint8Array, from: number): { fields: Map<string, string>; next: number } | null {
  const fields = new Map<string, string>();
  for (let at = from; at < bytes.length && at - from < HEAD_MAX;) {
    const line = lineAt(bytes, at);
    if (!line) return null;
    if (line.text === "") return { fields, next: line.next };
    const colon = line.text.indexOf(":");
    if (colon < 1) return null;
    fields.set(line.text.slice(0, colon).trim().toLowerCase(), line.text.slice(colon + 1).trim());
    at = line.next;
  }
  return null;
}
