// The footage of a case or a site: a list, and of the chosen one its stills, its clip, how it came to be and who has seen it.
import { useState, type ReactNode } from "react";
import { Button } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { Footage, FootagePart, RuleWords } from "../api/model.ts";
import { size } from "../format.ts";
import { Loading, useLoad } from "../parts/load.tsx";
import { Nothing, When } from "../parts/words.tsx";
import { ClipPlayer } from "./ClipPlayer.tsx";
import { partOf } from "./load.ts";
import { Stills } from "./Stills.tsx";
import { UnmaskPart } from "./Unmask.tsx";
import { seenWord } from "./words.ts";

/** Footage that is read at once, and lines of it that are shown before someone asks for all. */
const LISTED = 40, SHOWN = 8;
type Rules = (footage: Footage) => RuleWords[];

/** `opens` shows the newest at once; elsewhere a picture is fetched, and put on record, only when somebody asks for it. */
export function FootagePanel({ of, rules, opens }: { of: { case?: string; site?: string; camera?: string }; rules: Rules; opens?: boolean }) {
  const { t } = useI18n();
  const list = useLoad(() => api.footage({ ...of, limit: LISTED }), [of]);
  return <Loading of={list} what="what.footage">{(all) => {
    const sightings = all.filter((f) => f.occasion !== "overview");
    return sightings.length === 0 ? <Nothing>{t(of.case ? "foot.none" : "foot.noneSite")}</Nothing> : <Body all={sightings} isCut={!of.case && all.length >= LISTED} rules={rules} opens={opens ?? false} />;
  }}</Loading>;
}

function Body({ all, isCut, rules, opens }: { all: Footage[]; isCut: boolean; rules: Rules; opens: boolean }) {
  const { t, tx } = useI18n();
  const [chosen, setChosen] = useState<string | null>(opens ? all[0]!.id : null);
  const [isLong, setIsLong] = useState(false);
  const shown = all.find((f) => f.id === chosen);
  return (
    <div data-footage-panel>
      <p className="muted small">{t("foot.masked")} {t("foot.recorded")}</p>
      {(all.length > 1 || !shown) && (
        <ul className="rows footlist">
          {(isLong ? all : all.slice(0, SHOWN)).map((f) => (
            <li key={f.id} className="row footrow" data-footage={f.id}>
              <When at={f.at} full />
              <span className="what"><strong>{f.point ? seenWord(f.point, t) : t("foot.unknown")}</strong><span>{tx(f.camera_name)}</span>{f.occasion === "sighting" && <span className="muted">{f.zone || t("foot.whole")}</span>}</span>
              <span className="side">{f.id === chosen ? <span className="word new">{t("foot.shown")}</span> : <Button size="small" onClick={() => setChosen(f.id)} data-choose>{t("foot.choose")}</Button>}</span>
            </li>
          ))}
        </ul>
      )}
      {all.length > SHOWN && !isLong && <button className="plain" onClick={() => setIsLong(true)}>{t("cases.all")} ({all.length})</button>}
      {isCut && isLong && <p className="muted small">{t("foot.more")}</p>}
      {shown && <One key={shown.id} footage={shown} rules={rules(shown)} />}
    </div>
  );
}

function One({ footage, rules }: { footage: Footage; rules: RuleWords[] }) {
  const { t, tx } = useI18n();
  const clip = partOf(footage, "clip");
  if (footage.occasion === "unknown") return <article className="card footage" data-shown={footage.id}><p className="cannot" data-not-taken>{t("foot.unsigned", { why: tx(footage.not_taken) })}</p><p className="muted">{t("foot.receivedAt")} <When at={footage.received_at} full /></p></article>;
  return (
    <article className="card footage" data-shown={footage.id}>
      {footage.not_taken && <p className="cannot" data-not-taken>{t("foot.notTaken", { why: tx(footage.not_taken) })}</p>}
      <Stills footage={footage} />
      {clip && <ClipPlayer footage={footage} clip={clip} />}
      <div className="twocol tight">
        <Facts footage={footage} rules={rules} />
        <div><Files parts={footage.parts} /><Viewers footage={footage} /></div>
      </div>
      <UnmaskPart footage={footage} />
    </article>
  );
}

function Models({ of }: { of: Footage["models"] }) {
  const { t } = useI18n();
  if (of.length === 0) return <>{t("foot.noModels")}</>;
  return <>{of.map((m) => <div key={m.name}>{m.name} <code className="muted" title={m.sha256}>{m.sha256.slice(0, 8)}</code></div>)}</>;
}

function Facts({ footage, rules }: { footage: Footage; rules: RuleWords[] }) {
  const { t, tx } = useI18n();
  const rows: [string, ReactNode][] = [
    [t("foot.camera"), tx(footage.camera_name)],
    [t("foot.zone"), footage.zone || t("foot.whole")],
    [t("foot.rule"), rules.length === 0 ? <span className="muted">{t("foot.noRule")}</span> : rules.map((r) => <div key={r.text.zh}>{tx(r.text)} <span className="muted">{r.standard} {r.clause}</span></div>)],
    [t("foot.found"), <Models key="f" of={footage.models} />],
    [t("foot.maskedBy"), <Models key="m" of={footage.masked_by} />],
    [t("foot.signature"), <span key="s" className="good" data-signed>{t("foot.signed")}</span>],
    [t("foot.cutAt"), footage.cut_at == null ? "—" : <When key="c" at={footage.cut_at} full />],
    [t("foot.receivedAt"), <When key="r" at={footage.received_at} full />],
  ];
  return <dl className="pairs">{rows.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function Files({ parts }: { parts: FootagePart[] }) {
  const { t, tx } = useI18n();
  return (
    <>
      <h3>{t("foot.files")}</h3>
      <ul className="plainlist files">
        {parts.map((p) => <li key={p.role} className="spread" data-part={p.role} data-state={p.state}><span>{t(`foot.${p.role}`)} <span className="muted num">{size(p.bytes, t)}</span>{p.lost && <span className="muted small" data-lost><br /><When at={p.lost.at} full /> {tx(p.lost.why)}</span>}</span><span className={p.state === "here" ? "word ok" : p.state === "lost" ? "word doubt" : "word"}>{t(`foot.state.${p.state}`)}</span></li>)}
      </ul>
    </>
  );
}

function Viewers({ footage }: { footage: Footage }) {
  const { t } = useI18n();
  return (
    <>
      <h3>{t("foot.viewers")}</h3>
      {footage.viewers.length === 0 ? <p className="muted">{t("foot.noViewers")}</p> : <ul className="plainlist" data-viewers>{footage.viewers.map((v) => <li key={v.who}><strong>{v.who}</strong> <span className="muted">{t("foot.viewed", { n: v.times })} <When at={v.last_at} full /></span></li>)}</ul>}
    </>
  );
}
