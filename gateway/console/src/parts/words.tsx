// Small things said the same way everywhere: severity, state, quality, age, fitness. Each is a word; colour only helps.
import type { ReactNode } from "react";
import { useI18n, type Key } from "../i18n/index.tsx";
import { age, duration, limit, quantity, shortTime, time } from "../format.ts";
import { useNow } from "../live.ts";
import type { CaseState, DeviceLine, Severity } from "../api/model.ts";

export function SeverityTag({ of }: { of: Severity }) {
  const { t } = useI18n();
  return <span className={`sev sev-${of}`}>{t(`sev.${of}`)}</span>;
}
export function StateTag({ of }: { of: CaseState }) {
  const { t } = useI18n();
  return <span className={`word state-${of}`}>{t(`cases.${of}`)}</span>;
}
export function StatusWord({ of }: { of: string }) {
  const { t } = useI18n();
  return <span className={`status status-${of}`}>{t(`status.${of}` as Key)}</span>;
}
export function Age({ at }: { at?: number | null }) {
  const { t } = useI18n();
  const now = useNow();
  return <span className="num" title={at == null ? undefined : time(at)}>{age(at, now, t)}</span>;
}
export function When({ at, full }: { at: number; full?: boolean }) {
  return <time className="num" dateTime={new Date(at).toISOString()} title={time(at)}>{full ? time(at) : shortTime(at)}</time>;
}
export function Quality({ of }: { of: string }) {
  const { t } = useI18n();
  return <span className={of === "good" ? "word ok" : "word doubt"}>{t(`quality.${of}` as Key)}</span>;
}
export function Lasted({ from, to, bare }: { from: number; to?: number | null; bare?: boolean }) {
  const { t } = useI18n();
  const now = useNow(10_000);
  return <span className="num">{bare && to != null ? duration(to - from, t) : to == null ? t("cases.ongoing", { d: duration(now - from, t) }) : t("cases.lasted", { d: duration(to - from, t) })}</span>;
}

/** "13.4 ℃, limit ≤ 8 ℃"; without a limit (a model's signal) only what was measured. */
export function Against({ measured, permitted, value, unit }: { measured?: number | null; permitted?: string | null; value?: number | null; unit: string }) {
  const { t } = useI18n();
  if (measured == null) return null;
  const text = quantity(measured, unit, t);
  return <span className="num">{permitted != null && value != null ? t("sig.against", { measured: text, limit: limit(permitted, value, unit, t) }) : text}</span>;
}

export function FitnessLine({ of }: { of: DeviceLine }) {
  const { t, tx, lang } = useI18n();
  const f = of.fitness;
  const papers = [
    f.legal_review && `${t("fit.legal_review")} ${f.legal_review}`,
    f.technical_review && `${t("fit.technical_review")} ${f.technical_review}`,
    f.certificate && f.valid_to && t("fit.cert", { cert: f.certificate, date: time(f.valid_to).slice(0, 10) }),
    f.sign && `${t("fit.sign")} ${f.sign}`,
    f.published_at && `${t("fit.published")} ${time(f.published_at).slice(0, 10)}`,
  ].filter(Boolean).join(lang === "zh" ? "；" : "; ");
  const why = f.reasons.map(tx).join(lang === "zh" ? "；" : "; ") || t("fit.noReasons");
  return (
    <div className="device">
      <strong>{tx(of.name)}</strong> <span className={f.fit ? "word ok" : "word doubt"}>{f.fit ? t("fit.ok") : t("fit.because", { why })}</span>
      <div className="muted">{[of.location, papers].filter(Boolean).join(lang === "zh" ? "；" : "; ")}</div>
    </div>
  );
}

export function Nothing({ children }: { children: ReactNode }) {
  return <p className="nothing">{children}</p>;
}
