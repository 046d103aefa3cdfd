// Why readings are missing, in the words that charts use. Pure.
import type { Key, Translate } from "../i18n/index.tsx";

/** The reason alone, of an absence or of a gap record. */
export function whyWord(why: string, t: Translate): string {
  return t((why === "unspecified" ? "quality.absence_unspecified" : `quality.${why}`) as Key).replace(/^(缺失：|missing: )/, "");
}
