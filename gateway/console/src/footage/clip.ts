// What a clip shows at a time: which frame, which boxes, whether frames are missing there. Pure.
import type { Part } from "./multipart.ts";

/** Times in milliseconds since 1970. */
export interface Span { from: number; to: number }
export interface Area { left: number; top: number; right: number; bottom: number }
export interface Marked { area: Area; track: number | null; classes: string[] }
export interface Outline { name: string; kind: string; polygon: [number, number][] }
/** The JSON of the part `detections`: see contract/src/footage.rs. */
export interface Detections { zones: Outline[]; frames: { at: number; boxes: Marked[] }[] }

/** Frames in order of their times; equal times stay in file order. */
export function inOrder(parts: Part[]): Part[] {
  return parts.every((p, i) => i === 0 || parts[i - 1]!.at <= p.at) ? parts : [...parts].sort((a, b) => a.at - b.at);
}

/** The last entry that is not later than `at`; -1 if all are. */
export function lastBy(times: { at: number }[], at: number): number {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]!.at <= at) low = middle + 1; else high = middle;
  }
  return low - 1;
}

/** The hole that `at` lies in: after its last frame before and before its first frame after. */
export function holeAt(holes: Span[], at: number): Span | null {
  return holes.find((hole) => hole.from < at && at < hole.to) ?? null;
}

/** How much of the clip has no frames. */
export const missingMs = (holes: Span[]) => holes.reduce((sum, hole) => sum + hole.to - hole.from, 0);

/** Beyond this a box says nothing of the frame on screen any more. */
export const BOXES_HOLD_MS = 600;

/** Boxes of the frame at `at`, or of the last one before it that was looked at, with how old they are; null if none is near enough. */
export function boxesAt(frames: Detections["frames"], at: number): { boxes: Marked[]; ageMs: number } | null {
  const found = frames[lastBy(frames, at)];
  if (!found || at - found.at > BOXES_HOLD_MS) return null;
  return { boxes: found.boxes, ageMs: at - found.at };
}

/** Where `at` stands on the bar, 0 to 1. */
export function shareOf(span: Span, at: number): number {
  return span.to <= span.from ? 0 : Math.min(1, Math.max(0, (at - span.from) / (span.to - span.from)));
}

/** Detections as they were fetched, checked; what is not one is an error in words. */
export function readDetections(json: unknown): Detections {
  const said = json as Partial<Detections> | null;
  if (!said || !Array.isArray(said.zones) || !Array.isArray(said.frames)) throw new Error("detections: zones or frames are missing");
  return { zones: said.zones, frames: [...said.frames].sort((a, b) => a.at - b.at) };
}
