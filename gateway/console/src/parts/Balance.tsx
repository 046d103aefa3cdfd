// How complete the readings are: a bar, the sum behind it with the reasons in words, and the stretches that will never come.
import { useState, type ReactNode } from "react";
import { useI18n, type Key } from "../i18n/index.tsx";
import type { Balance, DayBalance, GapLine } from "../api/model.ts";
import { time } from "../format.ts";
import { balances, ENOUGH, missingOf, percent, pieces } from "./sums.ts";
import { whyWord } from "./why.ts";
import { Nothing, When } from "./words.tsx";

const SHOWN = 6;
export const count = (n: number) => n.toLocaleString("en-US");

export function Share({ of }: { of: Balance }) {
  const { t } = useI18n();
  if (of.share == null) return <span className="muted">{t("cov.none")}</span>;
  return <span className={of.share < ENOUGH ? "num strong late" : "num strong"}>{percent(of.share)}</span>;
}

function Bar({ of }: { of: Balance }) {
  const { t } = useI18n();
  const all = pieces(of).filter((p) => p.count > 0);
  const words = all.map((p) => `${t(`cov.${p.side}`)} ${count(p.count)}`).join(", ");
  return <div className="covbar" role="img" aria-label={words || t("cov.none")} title={words}>{all.map((p) => <span key={p.side} className={`cov-${p.side}`} style={{ flexGrow: p.count }} />)}</div>;
}

export function BarLine({ of }: { of: Balance }) {
  return <div className="barline"><Bar of={of} /><Share of={of} /></div>;
}

function Reasons({ of }: { of: Balance }) {
  const { t, lang } = useI18n();
  if (of.missing.length === 0) return null;
  return <div className="muted small">{of.missing.map((m) => `${whyWord(m.why, t)} ${count(m.count)}`).join(lang === "zh" ? "、" : ", ")}</div>;
}

/** Days, the latest first; each line is a sum that is seen to come out. */
export function DayTable({ days }: { days: DayBalance[] }) {
  const { t } = useI18n();
  if (days.length === 0) return <Nothing>{t("cov.noDays")}</Nothing>;
  return (
    <>
      <table className="table stack days">
        <thead><tr><th>{t("cov.day")}</th><th>{t("cov.share")}</th><th className="right">{t("cov.expected")}</th><th className="right">{t("cov.extra")}</th><th className="right">{t("cov.in_time")}</th><th className="right">{t("cov.late")}</th><th className="right">{t("cov.missing")}</th><th className="right">{t("cov.silent")}</th></tr></thead>
        <tbody>{days.map(({ day, balance }) => <DayRow key={day} name={day} of={balance} />)}</tbody>
      </table>
      <p className="muted small">{t("cov.explain")}</p>
    </>
  );
}

function DayRow({ name, of }: { name: string; of: Balance }) {
  const { t } = useI18n();
  const cell = (key: Key, sign: string, n: number, more?: ReactNode) => <td className={n === 0 ? "right num zero" : "right num"} data-label={t(key)}><span className="sign" aria-hidden>{sign}</span>{count(n)}{more}</td>;
  return (
    <tr data-day={name} data-balances={balances(of)}>
      <td className="num strong">{name}</td>
      <td className="barcell"><BarLine of={of} />{!balances(of) && <div className="late">{t("cov.wrong")}</div>}</td>
      {cell("cov.expected", "", of.expected)}
      {cell("cov.extra", "+", of.extra)}
      {cell("cov.in_time", "=", of.in_time)}
      {cell("cov.late", "+", of.late)}
      {cell("cov.missing", "+", missingOf(of), <Reasons of={of} />)}
      {cell("cov.silent", "+", of.silent)}
    </tr>
  );
}

export function Gaps({ gaps, withAgent }: { gaps: GapLine[]; withAgent?: boolean }) {
  const { t, tx } = useI18n();
  const [all, setAll] = useState(false);
  if (gaps.length === 0) return <Nothing>{t("gap.none")}</Nothing>;
  return (
    <>
      <ul className="rows">
        {(all ? gaps : gaps.slice(0, SHOWN)).map((g) => (
          <li key={`${g.device}/${g.from}/${g.received_at}`} className="row gaprow" data-gap={g.why}>
            <span className="tag"><span className="word doubt">{t("gap.lost", { n: count(g.readings) })}</span></span>
            <div><strong>{g.device_name ? tx(g.device_name) : g.device}</strong> {whyWord(g.why, t)}<div className="num">{time(g.from)} {t("gap.to")} {time(g.to)}</div></div>
            <span className="muted lastat">{withAgent ? g.agent : null} {t("gap.learned")} <When at={g.received_at} /></span>
          </li>
        ))}
      </ul>
      {gaps.length > SHOWN && !all && <button className="plain" onClick={() => setAll(true)}>{t("cases.all")} ({gaps.length})</button>}
    </>
  );
}
