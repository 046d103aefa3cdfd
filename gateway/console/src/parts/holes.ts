// Where nothing was received. The gateway reports absences that a device explained; silence shows in the times. Pure.
import type { Series } from "../api/model.ts";

type Span = { from: number; to: number };
const LONGEST_BEAT = 8;

/** Silences longer than eight times the usual distance of readings, as gaps without a reason. `now` ends the last one. */
export function holes(series: Series, now: number): Series["gaps"] {
  const spans: Span[] = series.raw ? series.raw.map((p) => ({ from: p.at, to: p.at })) : (series.buckets ?? []).map((b) => ({ from: b.from, to: b.to }));
  const end = Math.min(series.to, now);
  if (spans.length < 3) return [];
  const beats = spans.slice(1).map((s, i) => s.from - spans[i]!.from).sort((a, b) => a - b);
  const beat = Math.max(beats[Math.floor(beats.length / 2)]!, 1000);
  const known = (gap: Span) => series.gaps.some((g) => g.from < gap.to && g.to > gap.from);
  return [...spans.slice(1).map((s, i) => ({ from: spans[i]!.to, to: s.from })), { from: spans.at(-1)!.to, to: end }]
    .filter((gap) => gap.to - gap.from > LONGEST_BEAT * beat && !known(gap))
    .map((gap) => ({ ...gap, reason: "" }));
}
