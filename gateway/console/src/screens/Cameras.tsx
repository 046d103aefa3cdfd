// Cameras: what each is for and what is missing before it may give more than health signals, whether it sees, how right its signals are.
import { useState, type ReactNode } from "react";
import { Button, Select } from "antd";
import { useI18n, type Key } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { Camera, SeeingRule, SitePage } from "../api/model.ts";
import { FootagePanel } from "../footage/Footage.tsx";
import { healthOf } from "../footage/health.ts";
import { partOf } from "../footage/load.ts";
import { Still } from "../footage/Stills.tsx";
import { Loading, useLoad, type Loaded } from "../parts/load.tsx";
import { percent } from "../parts/sums.ts";
import { whyWord } from "../parts/why.ts";
import { Age, Nothing } from "../parts/words.tsx";
import { useNow } from "../live.ts";
import { href, setQuery, useRoute } from "../route.ts";

/** Each site shown in full is read anew whenever something changes; of more there is a line each. */
const SITES_MAX = 8;

export default function Cameras() {
  const { t } = useI18n();
  const cameras = useLoad(() => api.cameras(), []);
  return (
    <>
      <div className="head"><div><h1>{t("cam.title")}</h1><p className="muted">{t("cam.sub")}</p></div></div>
      <Loading of={cameras} what="what.cameras">{(all) => (all.length === 0 ? <Nothing>{t("cam.none")}</Nothing> : <BySite cameras={all} />)}</Loading>
    </>
  );
}

function BySite({ cameras }: { cameras: Camera[] }) {
  const { t, tx } = useI18n();
  const { query } = useRoute();
  const overview = useLoad(() => api.overview(), []);
  const chosen = query.get("site");
  const ids = [...new Set(cameras.map((c) => c.site))], shown = ids.filter((id) => !chosen || id === chosen);
  const name = (id: string) => { const site = overview.data?.sites.find((s) => s.id === id); return site ? tx(site.name) : id; };
  return (
    <>
      {ids.length > 1 && <div className="filters"><Select aria-label={t("cases.site")} value={chosen ?? ""} onChange={(value) => setQuery("site", value || null)} options={[{ value: "", label: t("cam.all") }, ...ids.map((id) => ({ value: id, label: name(id) }))]} popupMatchSelectWidth={false} /></div>}
      {!chosen && ids.length > SITES_MAX ? <Lines ids={ids} name={name} cameras={cameras} /> : shown.map((id) => <Site key={id} id={id} name={name(id)} cameras={cameras.filter((c) => c.site === id)} />)}
      {shown.length === 0 && <Nothing>{t("cam.none")}</Nothing>}
    </>
  );
}

/** Of many sites one line each, those first that ask for something; a site's own page says the rest. */
function Lines({ ids, name, cameras }: { ids: string[]; name: (id: string) => string; cameras: Camera[] }) {
  const { t } = useI18n();
  const lines = ids.map((id) => {
    const mine = cameras.filter((c) => c.site === id);
    return { id, all: mine.length, healthOnly: mine.filter((c) => c.missing.length > 0).length, shadow: new Set(mine.flatMap((c) => c.rules.filter((r) => r.is_shadow).map((r) => r.rule))).size };
  });
  return (
    <ul className="rows">
      {lines.sort((a, b) => b.healthOnly + b.shadow - a.healthOnly - a.shadow).map((line) => (
        <li key={line.id} className="row camerasite" data-camera-site={line.id}>
          <button className="plain" onClick={() => setQuery("site", line.id)}>{name(line.id)}</button>
          <span className="facts"><span className="num">{t("cam.count", { n: line.all })}</span>{line.healthOnly > 0 && <span className="word doubt">{t("cam.countHealthOnly", { n: line.healthOnly })}</span>}{line.shadow > 0 && <span className="word doubt">{t("cam.countShadow", { n: line.shadow })}</span>}</span>
        </li>
      ))}
    </ul>
  );
}

function Site({ id, name, cameras }: { id: string; name: string; cameras: Camera[] }) {
  const site = useLoad(() => api.site(id), [id]);
  return <section><h2><a href={href("sites", id)}>{name}</a></h2>{cameras.map((camera) => <One key={camera.id} camera={camera} site={site} />)}</section>;
}

function One({ camera, site }: { camera: Camera; site: Loaded<SitePage> }) {
  const { t, tx } = useI18n();
  const [shows, setShows] = useState({ overview: false, footage: false });
  const isReady = camera.missing.length === 0;
  const said = (text: string) => text || <span className="late">{t("cam.notSaid")}</span>;
  const facts: [Key, ReactNode][] = [["cam.purpose", said(camera.purpose)], ["cam.sign", said(camera.sign)], ["cam.location", said(camera.location)], ["cam.published", said(camera.published)], ["cam.health", <Health key="h" site={site} camera={camera.id} />]];
  return (
    <article className="card camera" data-camera={camera.id} data-ready={isReady}>
      <header className="sectionhead"><h3>{tx(camera.name)} <span className={isReady ? "word ok" : "word doubt"}>{t(isReady ? "cam.ready" : "cam.healthOnly")}</span></h3></header>
      {!isReady && <div className="cannot"><strong>{t("cam.missing")}</strong><ul>{camera.missing.map((m) => <li key={m.zh}>{tx(m)}</li>)}</ul></div>}
      <dl className="pairs camerafacts">{facts.map(([key, value]) => <div key={key}><dt>{t(key)}</dt><dd>{value}</dd></div>)}</dl>
      <Rules rules={camera.rules} />
      <p className="presets">
        {camera.overview ? <Button size="small" onClick={() => setShows({ ...shows, overview: !shows.overview })} data-show-overview>{t(shows.overview ? "cam.hideOverview" : "cam.askOverview")}</Button> : <span className="muted">{t("cam.noOverview")}</span>}
        <Button size="small" href={href("cameras", camera.site, camera.id)} data-draw-zones>{t("cam.drawZones")}</Button>
        <Button size="small" onClick={() => setShows({ ...shows, footage: !shows.footage })} aria-expanded={shows.footage}>{t("cam.footage")}</Button>
      </p>
      {shows.overview && camera.overview && <Overview id={camera.overview} />}
      {shows.footage && <FootagePanel of={{ site: camera.site, camera: camera.id }} rules={(f) => site.data?.points.find((p) => p.device === f.camera && p.name === f.point)?.limits ?? []} />}
    </article>
  );
}

function Health({ site, camera }: { site: Loaded<SitePage>; camera: string }) {
  const now = useNow(10_000);
  const { t, lang } = useI18n();
  if (!site.data) return <span className="muted">{site.error ? t("load.offline") : t("load.reading", { what: t("what.site") })}</span>;
  const health = healthOf(site.data.points, camera, now), and = lang === "zh" ? "、" : ", ";
  if (health.at == null) return <span className="muted" data-health="unheard">{t("cam.health.unheard")}</span>;
  if (health.isOld) return <span data-health="old"><strong className="late">{t("cam.health.lost")}</strong> <span className="muted small">{t("cam.health.old")} <Age at={health.at} /></span></span>;
  const word = (name: string) => t(`cam.h.${name}` as Key);
  const unknown = health.unknown.map((u) => `${word(u.name)} (${whyWord(u.why, t)})`).join(and);
  return (
    <span data-health={health.bad.length > 0 ? "bad" : unknown ? "unknown" : "well"}>
      {health.bad.length > 0 ? <strong className="late">{health.bad.map(word).join(and)}</strong> : !unknown && <span className="good">{t("cam.health.ok")}</span>}
      {unknown && <div>{t("cam.health.unknown", { what: unknown })}</div>} <span className="muted small">{t("cam.health.old")} <Age at={health.at} /></span>
    </span>
  );
}

function Rules({ rules }: { rules: SeeingRule[] }) {
  const { t, tx, lang } = useI18n();
  const inUse = rules.filter((r) => r.models.length > 0 || r.confirmed + r.set_aside + r.shadow_signals + r.camera_days > 0), unused = rules.filter((r) => !inUse.includes(r));
  if (rules.length === 0) return <p className="muted">{t("cam.noRules")}</p>;
  return (
    <>
      {inUse.length > 0 && <RuleTable rules={inUse} />}
      <p className="muted small">{t("cam.terms", { p: percent(rules[0]!.precision_min), n: rules[0]!.decided_min })}{unused.length > 0 && ` ${t("cam.unused", { what: unused.map((r) => tx(r.title)).join(lang === "zh" ? "、" : ", ") })}`}</p>
    </>
  );
}

function RuleTable({ rules }: { rules: SeeingRule[] }) {
  const { t, tx } = useI18n();
  return (
    <table className="table stack camerarules">
      <thead><tr><th>{t("cam.rule")}</th><th className="right">{t("cam.decided")}</th><th className="right">{t("cam.confirmed")}</th><th className="right">{t("cam.precision")}</th><th className="right">{t("cam.falseRate")}</th></tr></thead>
      <tbody>{rules.map((r) => {
        const decided = r.confirmed + r.set_aside;
        return (
          <tr key={`${r.rule}/${r.version}`} data-rule={r.rule} data-shadow={r.is_shadow}>
            <td><strong>{tx(r.title)}</strong> <span className="muted small">{r.rule}{r.models.map((m) => <span key={m.name} title={m.sha256}> · {m.name} <code>{m.sha256.slice(0, 8)}</code></span>)}</span>{r.is_shadow && <div className="late">{t("cam.shadow", { n: decided, k: r.confirmed, s: r.shadow_signals })}</div>}</td>
            <td className="right num" data-label={t("cam.decided")}>{decided}</td>
            <td className="right num" data-label={t("cam.confirmed")}>{r.confirmed}</td>
            <td className="right num" data-label={t("cam.precision")}>{r.precision == null ? <span className="muted">{t("cam.noPrecision")}</span> : percent(r.precision)}</td>
            <td className="right num" data-label={t("cam.falseRate")}>{r.false_alarms_per_day == null ? <span className="muted">{t("cam.noDays")}</span> : <>{r.false_alarms_per_day.toFixed(2)} <span className="muted small">{t("cam.falseOf", { n: r.false_alarms, d: r.camera_days })}</span></>}</td>
          </tr>
        );
      })}</tbody>
    </table>
  );
}

function Overview({ id }: { id: string }) {
  const footage = useLoad(() => api.oneFootage(id), [id], false);
  return <Loading of={footage} what="what.footage">{(one) => { const part = partOf(one, "still"); return part ? <div className="overviewstill"><Still id={id} part={part} name="cam.overview" /></div> : null; }}</Loading>;
}
