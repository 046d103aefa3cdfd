// What an agent would refuse of a zone, in words; said while it is drawn. Pure.
import type { Key } from "../i18n/index.tsx";
import { AFTER_HOURS, isForbidden, isHours, KINDS, WATCHED } from "./kinds.ts";
import { trouble } from "./polygon.ts";
import type { Zone } from "./toml.ts";

export type Fault = [Key, Record<string, string | number>?];

export function faults(zone: Zone, others: Zone[]): Fault[] {
  const found: Fault[] = [], name = zone.name.trim(), shape = trouble(zone.polygon);
  if (name === "" || name.length > 60) found.push(["zone.bad.name"]);
  else if (isForbidden(name)) found.push(["zone.bad.forbidden"]);
  else if (others.some((other) => other.name.trim() === name)) found.push(["zone.bad.sameName"]);
  if (!(KINDS as readonly string[]).includes(zone.kind)) found.push(zone.kind ? ["zone.unknownKind", { kind: zone.kind }] : ["zone.bad.kind"]);
  if (shape) found.push([`zone.bad.${shape.is}`, shape as Record<string, string | number>]);
  for (const text of zone.hours) if (!isHours(text)) found.push(["zone.bad.hours", { text }]);
  if (zone.watch.includes(AFTER_HOURS) && zone.hours.length === 0) found.push(["zone.bad.hoursNeeded"]);
  return found;
}

/** Tables of the camera that these zones need and it does not have: the agent refuses zones without them. */
export function lacks(zones: Zone[], tables: string[]): string[] {
  if (zones.length === 0) return [];
  const parts = WATCHED.filter((w) => w.needs && zones.some((zone) => zone.watch.includes(w.name))).map((w) => `look.${w.needs}`);
  return ["published", "look", ...parts].filter((table) => !tables.includes(table)).map((table) => `[camera.${table}]`);
}
