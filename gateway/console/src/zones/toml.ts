// Zones in the text of an agent's configuration: read where they can be read simply, written without touching anything else. Pure.
//
// Promise: lines outside the `[[camera.zone]]` tables of the camera stay byte for byte, and a zone that was not changed keeps its own
// lines. What cannot be understood is said, and then nothing is written.
import type { Corner } from "./polygon.ts";

/** A zone; `lines` are its own lines in the configuration while it is as it stands there, `above` the comments between it and the zone before. */
export interface Zone { name: string; kind: string; polygon: Corner[]; hours: string[]; watch: string[]; rest: string[]; above: string[]; lines?: string[] }
/** `tables` are the camera's own, such as `look.mask`. */
export type Found = { is: "found"; zones: Zone[]; tables: string[] } | { is: "absent" } | { is: "unreadable"; why: string };

/** Lines `from` (the header) up to `to`; `above` is where the comments begin that belong to it. */
interface Table { name: string; isArray: boolean; above: number; from: number; to: number }
interface Pair { key: string; value: string; text: string }
const KNOWN = ["name", "kind", "polygon", "hours", "watch"];
const HEADER = /^\s*(\[\[?)\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*\]\]?\s*(?:#.*)?$/;
const TRIVIA = /^\s*(#.*)?$/;

class Odd extends Error {}

export function zonesOf(text: string, camera: string): Found {
  try {
    const lines = text.split("\n"), mine = tablesOf(lines, camera);
    if (!mine) return { is: "absent" };
    const zones = mine.filter(isZone).map((table) => zoneOf(lines.slice(table.above, table.from), lines.slice(table.from, table.to)));
    return { is: "found", zones, tables: mine.slice(1).map((table) => table.name.replace(/^camera\./, "")) };
  } catch (error) {
    if (error instanceof Odd) return { is: "unreadable", why: error.message };
    throw error;
  }
}

/** The configuration with these zones of the camera in place of those it has; only for a text whose zones were `found`. */
export function withZones(text: string, camera: string, zones: Zone[]): string {
  const lines = text.split("\n"), mine = tablesOf(lines, camera)!;
  const old = mine.filter(isZone), last = mine.at(-1)!;
  const place = old[0]?.from ?? last.to;
  const kept = (from: number, to: number) => lines.slice(from, to).filter((_, n) => !old.some((table) => from + n >= table.above && from + n < table.to));
  const fresh = zones.flatMap((zone, n) => {
    const own = [...zone.above, ...(zone.lines ?? zoneToml(zone).split("\n"))], before = n > 0 ? "a zone" : (lines[place - 1] ?? "");
    // The first one stands where one stood, maybe right below a comment.
    const isApart = own[0]!.trim() === "" || before.trim() === "" || (n === 0 && old.length > 0);
    return isApart ? own : ["", ...own];
  });
  const after = kept(place, lines.length);
  if (fresh.length > 0 && after.length > 0 && after[0]!.trim() !== "") fresh.push("");
  return [...kept(0, place), ...fresh, ...after].join("\n");
}

export function zoneToml(zone: Zone): string {
  const texts = (all: string[]) => `[${all.map((text) => JSON.stringify(text)).join(", ")}]`;
  const corners = zone.polygon.map(([x, y]) => `[${x.toFixed(3)}, ${y.toFixed(3)}]`).join(", ");
  const lines = ["[[camera.zone]]", `name = ${JSON.stringify(zone.name)}`, `kind = ${JSON.stringify(zone.kind)}`, `polygon = [${corners}]`];
  if (zone.hours.length > 0) lines.push(`hours = ${texts(zone.hours)}`);
  if (zone.watch.length > 0) lines.push(`watch = ${texts(zone.watch)}`);
  return [...lines, ...zone.rest].join("\n");
}

const isZone = (table: Table) => table.isArray && table.name === "camera.zone";

/** The tables of the camera, its own first; null if it is not there. */
function tablesOf(lines: string[], camera: string): Table[] | null {
  if (lines.some((line) => /"""|'''/.test(line))) throw new Odd('"""');
  const all = headers(lines);
  for (let n = 0; n < all.length; n += 1) {
    const first = all[n]!;
    if (first.name !== "camera" || !first.isArray) continue;
    const end = all.findIndex((table, i) => i > n && !table.name.startsWith("camera."));
    const mine = all.slice(n, end < 0 ? all.length : end), pairs = pairsOf(lines.slice(first.from + 1, first.to));
    if (valueOf(pairs, "id") !== camera) continue;
    const odd = pairs.find((pair) => pair.key === "zone")?.text ?? mine.find((table) => table.name.startsWith("camera.zone") && !isZone(table))?.name;
    if (odd) throw new Odd(odd);
    for (const [i, table] of mine.entries()) if (isZone(table) && i > 0 && isZone(mine[i - 1]!)) table.above = mine[i - 1]!.to;
    return mine;
  }
  return null;
}

/** Where each table begins and ends; blank lines and comments before a header belong to what follows. */
function headers(lines: string[]): Table[] {
  const all: Table[] = [];
  let depth = 0;
  for (const [n, line] of lines.entries()) {
    const found = depth === 0 ? HEADER.exec(line.replace(/\r$/, "")) : null;
    if (found) all.push({ name: found[2]!.replace(/\s/g, ""), isArray: found[1] === "[[", above: n, from: n, to: n });
    else depth += opened(line);
    if (depth < 0) throw new Odd(line.trim());
  }
  for (const [i, table] of all.entries()) {
    table.to = all[i + 1]?.from ?? lines.length;
    while (table.to > table.from + 1 && TRIVIA.test(lines[table.to - 1]!)) table.to -= 1;
  }
  return all;
}

/** The line without strings and comment, so that brackets can be counted. */
const bare = (line: string) => line.replace(/"(?:[^"\\]|\\.)*"|'[^']*'|#.*$/g, "");
const opened = (line: string) => [...bare(line)].reduce((depth, c) => depth + (c === "[" || c === "{" ? 1 : c === "]" || c === "}" ? -1 : 0), 0);
const uncommented = (line: string) => line.replace(/("(?:[^"\\]|\\.)*"|'[^']*')|#.*$/g, "$1");

function pairsOf(lines: string[]): Pair[] {
  const pairs: Pair[] = [];
  for (let n = 0; n < lines.length; n += 1) {
    if (TRIVIA.test(lines[n]!)) continue;
    const found = /^\s*([A-Za-z0-9_-]+)(\s*\.[^=]*)?\s*=(.*)$/s.exec(lines[n]!);
    if (!found) throw new Odd(lines[n]!.trim());
    const first = n;
    for (let depth = opened(lines[n]!); depth > 0; depth += opened(lines[n]!)) if (++n >= lines.length) throw new Odd(lines[first]!.trim());
    const text = lines.slice(first, n + 1).join("\n");
    pairs.push({ key: found[1]!, value: found[2] ? "" : lines.slice(first, n + 1).map(uncommented).join(" ").replace(/^[^=]*=/, "").trim(), text });
  }
  return pairs;
}

/** Strings, numbers and arrays of TOML are those of JSON but for '…' and a comma at the end. */
function valueOf(pairs: Pair[], key: string): unknown {
  const pair = pairs.find((p) => p.key === key);
  if (!pair) return undefined;
  const json = pair.value.replace(/("(?:[^"\\]|\\.)*")|'([^']*)'|,(?=\s*\])/g, (_, text?: string, literal?: string) => text ?? (literal == null ? "" : JSON.stringify(literal)));
  try { return JSON.parse(json); } catch { throw new Odd(pair.text.trim()); }
}

function zoneOf(above: string[], lines: string[]): Zone {
  const pairs = pairsOf(lines.slice(1));
  const texts = (key: string) => { const value = valueOf(pairs, key) ?? []; if (!isTexts(value)) throw new Odd(key); return value; };
  const [name, kind, polygon] = ["name", "kind", "polygon"].map((key) => valueOf(pairs, key));
  if (typeof name !== "string" || typeof kind !== "string" || !isCorners(polygon)) throw new Odd(lines.slice(0, 2).join(" ").trim());
  return { name, kind, polygon, hours: texts("hours"), watch: texts("watch"), rest: pairs.filter((pair) => !KNOWN.includes(pair.key)).map((pair) => pair.text), above, lines };
}
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((text) => typeof text === "string");
const isCorners = (value: unknown): value is Corner[] => Array.isArray(value) && value.every((c) => Array.isArray(c) && c.length === 2 && c.every((x) => typeof x === "number"));
