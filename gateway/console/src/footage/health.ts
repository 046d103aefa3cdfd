// What a camera says of itself, out of the last readings of its site. Pure.
import type { PointLine } from "../api/model.ts";

const HEALTH = "health.";
/** A camera says how it is every minute at the least; what is older says nothing of now. */
export const OLD_MS = 5 * 60_000;

/** `bad` and `unknown` name points without `health.`; what is unknown has the reason of its absence. */
export interface Health { at: number | null; isOld: boolean; bad: string[]; unknown: { name: string; why: string }[] }

export function healthOf(points: PointLine[], camera: string, now: number): Health {
  const mine = points.filter((p) => p.device === camera && p.name.startsWith(HEALTH));
  const heard = mine.filter((p) => p.at != null), name = (p: PointLine) => p.name.slice(HEALTH.length);
  const at = heard.length === 0 ? null : Math.max(...heard.map((p) => p.at!));
  return {
    at,
    isOld: at != null && now - at > OLD_MS,
    bad: heard.filter((p) => p.value != null && p.value > 0.5).map(name),
    unknown: heard.filter((p) => p.value == null).map((p) => ({ name: name(p), why: p.quality })),
  };
}
