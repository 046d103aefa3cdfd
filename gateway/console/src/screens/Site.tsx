// A site: every point with its curve, every instrument with what it may be used for, every signal.
import { useState } from "react";
import { Segmented } from "antd";
import { useI18n, type I18n, type Key, type Text } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { PointLine, SignalLine, SitePage } from "../api/model.ts";
import { day, limit, quantity, YES_NO } from "../format.ts";
import { DayTable, Gaps } from "../parts/Balance.tsx";
import { FootagePanel } from "../footage/Footage.tsx";
import { isYesNo, pointWord } from "../footage/words.ts";
import { Loading, useLoad } from "../parts/load.tsx";
import { PointChart } from "../parts/PointChart.tsx";
import { Against, Age, FitnessLine, Lasted, Nothing, Quality, SeverityTag, StatusWord, When } from "../parts/words.tsx";
import { href, setQuery, useRoute } from "../route.ts";

const SPANS: [string, number][] = [["1h", 3600_000], ["6h", 6 * 3600_000], ["1d", 86_400_000], ["7d", 7 * 86_400_000]];

export default function Site({ id }: { id: string }) {
  const { t } = useI18n();
  const page = useLoad(() => api.site(id), [id]);
  return <><a className="back" href={href()}>{t("site.back")}</a><Loading of={page} what="what.site">{(data) => <Body page={data} />}</Loading></>;
}

function Body({ page }: { page: SitePage }) {
  const words = useI18n();
  const { t, tx, lang } = words;
  const { query } = useRoute();
  const span = SPANS.find(([name]) => name === query.get("w")) ?? SPANS[0]!;
  const { site } = page;
  const named = pointNames(page, words);
  return (
    <>
      <div className="head">
        <div>
          <h1>{tx(site.name)} <StatusWord of={site.status} /></h1>
          <p className="muted">{site.address} · {site.domains.map((d) => t(`domain.${d}` as Key)).join(lang === "zh" ? "、" : ", ")} · {t("site.business")} <a href={href("credit", site.business.uscc)}>{site.business.name}</a></p>
        </div>
        <p className="headside"><span className="muted">{t("overview.lastReading")}</span> <Age at={site.last_reading_at} /><span className="dot"> · </span><a href={`${href("cases")}?site=${encodeURIComponent(site.id)}`}>{t("site.cases")}</a></p>
      </div>
      <Points points={page.points} named={named} />
      {page.points.length > 0 && (
        <section>
          <div className="sectionhead"><h2>{t("site.curves")}</h2>
            <Segmented aria-label={t("site.window")} value={span[0]} onChange={(value) => setQuery("w", String(value))} options={SPANS.map(([value]) => ({ value, label: t(`site.w.${value}` as Key) }))} />
          </div>
          <div className="charts">
            {page.points.map((p) => <div className="card" key={`${p.device}/${p.name}`}><PointChart site={site.id} device={p.device} point={p.name} label={named(p)} limits={p.limits} signals={page.signals} span={span[1]} height={isYesNo(p.name) ? 90 : 210} /></div>)}
          </div>
        </section>
      )}
      {page.devices.some((d) => d.kind === "camera") && <section><div className="sectionhead"><h2>{t("foot.title")}</h2><a href={`${href("cameras")}?site=${encodeURIComponent(site.id)}`}>{t("nav.cameras")}</a></div><FootagePanel of={{ site: site.id }} rules={(f) => page.points.find((p) => p.device === f.camera && p.name === f.point)?.limits ?? []} /></section>}
      <section data-coverage><h2>{t("cov.title")}</h2><DayTable days={[{ day: day(page.now), balance: page.coverage }]} /></section>
      <section><h2>{t("gap.title")}</h2><Gaps gaps={page.gaps} withAgent /></section>
      <section><h2>{t("site.signals")}</h2><Signals signals={page.signals} named={(s) => named({ device: s.device, label: s.point_label })} /></section>
      {page.devices.length > 0 && <section><h2>{t("site.devices")}</h2><div className="card">{page.devices.map((d) => <FitnessLine key={d.id} of={d} />)}</div></section>}
    </>
  );
}

type Named = (point: { device: string; label: Text }) => string;
/** A point's name with its device's, since a site has several temperatures. */
function pointNames(page: SitePage, words: Pick<I18n, "t" | "tx">): Named {
  const devices = new Map(page.devices.map((d) => [d.id, words.tx(d.name)]));
  return ({ device, label }) => {
    const [of, what] = [devices.get(device), pointWord(label, words)];
    return of && !what.startsWith(of) ? `${of} · ${what}` : what;
  };
}

function Points({ points, named }: { points: PointLine[]; named: Named }) {
  const { t, tx } = useI18n();
  if (points.length === 0) return <section><h2>{t("site.points")}</h2><Nothing>{t("site.noPoints")}</Nothing></section>;
  return (
    <section>
      <h2>{t("site.points")}</h2>
      <table className="table points">
        <thead><tr><th>{t("site.point")}</th><th className="right">{t("site.value")}</th><th>{t("site.quality")}</th><th>{t("site.age")}</th><th>{t("site.limit")}</th></tr></thead>
        <tbody>
          {points.map((p) => (
            <tr key={`${p.device}/${p.name}`}>
              <td>{named(p)}</td>
              <td className="right num value">{quantity(p.value, isYesNo(p.name) ? YES_NO : p.unit, t)}</td>
              <td><Quality of={p.quality} /></td>
              <td><Age at={p.at} /></td>
              <td className="num">{p.limits.length === 0 ? <span className="muted">{t("site.noLimit")}</span> : p.limits.map((l) => <div key={l.rule} title={tx(l.text)}>{isYesNo(p.name) ? t("no") : limit(l.permitted, l.value, p.unit, t)} <span className="muted">{l.standard} {l.clause}</span></div>)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function Signals({ signals, named }: { signals: SignalLine[]; named?: (signal: SignalLine) => string }) {
  const words = useI18n();
  const { t, tx } = words;
  const [all, setAll] = useState(false);
  if (signals.length === 0) return <Nothing>{t("site.noSignals")}</Nothing>;
  const sorted = [...signals].sort((a, b) => Number(a.closed_at != null) - Number(b.closed_at != null) || b.opened_at - a.opened_at);
  return (
    <>
      <ol className="rows">
        {(all ? sorted : sorted.slice(0, 8)).map((s) => {
          const line = (
            <>
              <span className="tag"><SeverityTag of={s.severity} /></span>
              <span className="what"><strong>{named ? named(s) : pointWord(s.point_label, words)}</strong><span>{tx(s.title)}</span>{s.shadow && <span className="muted small">{t("sig.shadowWhy")}</span>}</span>
              <span className="facts">{!isYesNo(s.point) && <Against measured={s.measured} permitted={s.permitted} value={s.limit} unit={s.unit} />}<span className="muted"><Lasted from={s.opened_at} to={s.closed_at} /></span></span>
              <span className="side">{s.escalated && <span className="word" title={tx(s.escalated.text)}>{t("sig.escalated")}</span>} {s.shadow && <span className="word">{t("sig.shadow")}</span>} <span className={s.closed_at == null ? "word new" : "word"}>{s.closed_at == null ? t("sig.open") : t("sig.closed")}</span> <When at={s.opened_at} /></span>
            </>
          );
          return <li key={s.id}>{s.case ? <a className="row" href={href("cases", s.case)}>{line}</a> : <div className="row">{line}</div>}</li>;
        })}
      </ol>
      {sorted.length > 8 && !all && <button className="plain" onClick={() => setAll(true)}>{t("cases.all")} ({sorted.length})</button>}
    </>
  );
}
