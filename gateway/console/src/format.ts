// Words for numbers: every value with its unit, every time with its zone. Pure; `now` is an argument.
import type { Translate } from "./i18n/index.tsx";

/** Site-local time is +08:00 everywhere in this product; see the fixed decisions in docs. */
export const ZONE_MS = 8 * 3600_000;
export const ZONE = "+08:00";

const two = (n: number) => String(n).padStart(2, "0");

function parts(at: number) {
  const d = new Date(at + ZONE_MS);
  return { y: d.getUTCFullYear(), mo: two(d.getUTCMonth() + 1), d: two(d.getUTCDate()), h: two(d.getUTCHours()), mi: two(d.getUTCMinutes()), s: two(d.getUTCSeconds()) };
}

/** `2026-11-25 08:30:05 +08:00` */
export function time(at: number): string {
  const p = parts(at);
  return `${p.y}-${p.mo}-${p.d} ${p.h}:${p.mi}:${p.s} ${ZONE}`;
}
/** `2026-11-25 08:30:05.250 +08:00`: frames are closer to each other than seconds. */
export function timeMs(at: number): string {
  return time(at).replace(` ${ZONE}`, `.${String(((at % 1000) + 1000) % 1000).padStart(3, "0")} ${ZONE}`);
}
/** `08:30:05.250`, beside a whole time. */
export function clock(at: number): string {
  return timeMs(at).slice(11, 23);
}
/** `11-25 08:30 +08:00`, for dense lists. */
export function shortTime(at: number): string {
  const p = parts(at);
  return `${p.mo}-${p.d} ${p.h}:${p.mi} ${ZONE}`;
}
/** `2026-11-25`, a day of the site's calendar. */
export function day(at: number): string {
  const p = parts(at);
  return `${p.y}-${p.mo}-${p.d}`;
}
/** Axis tick: the zone stands in the axis title. */
export function tick(at: number, span: number): string {
  const p = parts(at);
  if (span > 2 * 86_400_000) return `${p.mo}-${p.d}`;
  if (span > 10 * 60_000) return `${p.h}:${p.mi}`;
  return `${p.h}:${p.mi}:${p.s}`;
}

/** How long ago, in the largest whole unit. */
export function age(at: number | null | undefined, now: number, t: Translate): string {
  if (at == null) return t("age.never");
  const s = Math.max(0, Math.floor((now - at) / 1000));
  if (s < 2) return t("age.now");
  if (s < 120) return t("age.s", { n: s });
  if (s < 7200) return t("age.m", { n: Math.floor(s / 60) });
  if (s < 172_800) return t("age.h", { n: Math.floor(s / 3600) });
  return t("age.d", { n: Math.floor(s / 86_400) });
}

/** A span in words. */
export function duration(ms: number, t: Translate): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return t("dur.s", { n: s });
  const m = Math.floor(s / 60);
  if (m < 120) return t("dur.m", { n: m });
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 ? t("dur.hm", { h, m: m % 60 }) : t("dur.h", { n: h });
  const d = Math.floor(h / 24);
  return h % 24 ? t("dur.dh", { d, h: h % 24 }) : t("dur.d", { n: d });
}

/** Seconds with tenths, of a span in milliseconds. */
export function seconds(ms: number): string {
  return (Math.round(ms / 100) / 10).toFixed(1);
}
/** The size of a file. */
export function size(bytes: number, t: Translate): string {
  if (bytes >= 1e9) return t("foot.gb", { n: (bytes / 1e9).toFixed(1) });
  return bytes >= 100_000 ? t("foot.mb", { n: (bytes / 1e6).toFixed(1) }) : t("foot.kb", { n: Math.max(1, Math.round(bytes / 1000)) });
}

/** The number alone, with no more digits than an instrument of this kind shows. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "—";
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 || size === 0 ? 2 : 3;
  return String(Number(value.toFixed(digits))).replace("-", "−");
}

/** The unit of what is 0 or 1, here alone: words say more than numbers. */
export const YES_NO = "yes/no";

/** A number and its unit, never one without the other. */
export function quantity(value: number | null | undefined, unit: string | null | undefined, t: Translate): string {
  if (value == null || !Number.isFinite(value)) return "—";
  if (unit === YES_NO) return value <= 0 ? t("no") : value >= 1 ? t("yes") : `${Math.round(value * 100)} %`;
  return `${number(value)} ${unitWord(unit, t)}`;
}
/** A unit, or the word that there is none or that the sender gave none. */
export function unitWord(unit: string | null | undefined, t: Translate): string {
  return unit === YES_NO ? "" : !unit ? t("unit.unknown") : unit === "1" ? t("unit.none") : unit;
}

const SIGNS: Record<string, string> = { le: "≤", ge: "≥", lt: "<", gt: ">", "<=": "≤", ">=": "≥", above: "≤", below: "≥" };

/** The permitted side of a limit: `≤ 8 ℃`. */
export function limit(permitted: string, value: number, unit: string, t: Translate): string {
  return `${SIGNS[permitted] ?? permitted} ${quantity(value, unit, t)}`;
}
