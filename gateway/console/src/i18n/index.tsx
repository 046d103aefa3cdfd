// The chosen language, kept on this device; Chinese unless someone chose English.
import { createContext, useContext } from "react";
import { zh, type Key } from "./zh.ts";
import { en } from "./en.ts";

export type Lang = "zh" | "en";
export type { Key };
/** A text the gateway gives in both languages. */
export interface Text { zh: string; en: string }
export type Translate = (key: Key, values?: Record<string, string | number>) => string;

export function translator(lang: Lang): Translate {
  const table = lang === "zh" ? zh : en;
  return (key, values) => {
    // A word the gateway has learnt since these texts were written is shown as it is.
    const text = table[key] ?? String(key).slice(String(key).indexOf(".") + 1);
    return values ? text.replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all)) : text;
  };
}

export interface I18n { lang: Lang; t: Translate; tx: (text: Text | null | undefined) => string; setLang: (lang: Lang) => void }

export function i18n(lang: Lang, setLang: (lang: Lang) => void): I18n {
  return { lang, t: translator(lang), tx: (text) => (text ? (text[lang] || text.zh || text.en) : ""), setLang };
}

export const I18nContext = createContext<I18n>(i18n("zh", () => undefined));
export const useI18n = () => useContext(I18nContext);

export function storedLang(): Lang {
  return localStorage.getItem("onedoor.lang") === "en" ? "en" : "zh";
}
export function storeLang(lang: Lang) {
  localStorage.setItem("onedoor.lang", lang);
}
