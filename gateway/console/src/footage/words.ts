// Words for what a camera's agent says in names: classes, kinds of zones. A name that is not known is shown as it is. Pure.
import type { Key, Translate } from "../i18n/index.tsx";

/** `no_mask`, or the point `see.no_mask`. */
export const seenWord = (name: string, t: Translate) => t(`see.${name.replace(/^(see|shadow)\./, "")}` as Key);
export const kindWord = (kind: string, t: Translate) => t(`kind.${kind}` as Key);

/** Points of a camera that are 0 or 1: a word says more than "1, no unit". */
export const isYesNo = (point: string) => /^(see|shadow|health)\./.test(point) && !point.endsWith(".persons");
