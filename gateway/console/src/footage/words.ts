// Words for what a camera's agent says in names: classes, kinds of zones. A name that is not known is shown as it is. Pure.
import type { I18n, Key, Text, Translate } from "../i18n/index.tsx";

/** `no_mask`, or the point `see.no_mask`. */
export const seenWord = (name: string, t: Translate) => t(`see.${name.replace(/^(see|shadow)\./, "")}` as Key);
export const kindWord = (kind: string, t: Translate) => t(`kind.${kind}` as Key);

/** The label of a point; the points of a camera have words of their own where the register has none. */
export function pointWord(label: Text, { t, tx }: Pick<I18n, "t" | "tx">): string {
  const name = label.zh;
  if (label.en !== name) return tx(label);
  if (/^(see|shadow)\./.test(name)) return seenWord(name, t);
  if (name.startsWith("health.")) return t(`cam.h.${name.slice(7)}` as Key);
  return name === "frames_per_s" ? t("cam.framesPerS") : tx(label);
}

/** Points of a camera that are 0 or 1: a word says more than "1, no unit". */
export const isYesNo = (point: string) => /^(see|shadow|health)\./.test(point) && !point.endsWith(".persons");
