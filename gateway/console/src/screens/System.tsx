// Whether the gateway itself does its work: what keeps up, who is connected, what was not taken in and what to do about it.
import { useState } from "react";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { AgentLine, FootageSums, SystemStatus } from "../api/model.ts";
import { size } from "../format.ts";
import { BoxFootageWords } from "../parts/BoxFootage.tsx";
import { Loading, useLoad } from "../parts/load.tsx";
import { LAG, parts, troubles, type PartLine } from "../parts/health.ts";
import { Nothing, When } from "../parts/words.tsx";
import { href } from "../route.ts";

/** How many refused messages are shown before someone asks for all. */
const SHOWN = 6;
const DOT: Record<AgentLine["state"], string> = { offline: "offline", online: "live", unheard: "never" };
const ORDER = Object.keys(DOT);

export default function System() {
  const { t } = useI18n();
  const status = useLoad(() => api.status(), []);
  return (
    <>
      <div className="head"><div><h1>{t("system.title")}</h1><p className="muted">{t("system.sub")}</p></div>{status.data && <p className="headside muted">{t("system.started")} <When at={status.data.started_at} full /></p>}</div>
      <Loading of={status} what="what.system">{(data) => <Body status={data} />}</Loading>
    </>
  );
}

function Body({ status }: { status: SystemStatus }) {
  const { t, lang } = useI18n();
  const wrong = troubles(status);
  const online = status.agents.filter((a) => a.state === "online").length;
  const refused = status.refused_by_reason.reduce((sum, r) => sum + r.count, 0);
  const n = (count: number) => count.toLocaleString("en-US");
  const counts: [string, string, boolean][] = [
    [t("system.journaled"), n(status.readings_journaled), false],
    [t("system.duplicates"), n(status.duplicates), false],
    [t("system.agentsOnline"), t("system.ofAll", { on: online, all: status.agents.length }), wrong.includes("agents")],
    [t("system.refusedCount"), n(refused), wrong.includes("refused")],
  ];
  const what = wrong.map((of) => t(`system.of.${of}`)).join(lang === "zh" ? "、" : ", ");
  return (
    <>
      <p className={wrong.length ? "health doubt" : "health"} role="status" data-troubles={wrong.length}>{wrong.length ? t("system.wrong", { n: wrong.length, what }) : t("system.fine")}</p>
      <dl className="counts">{counts.map(([name, value, loud]) => <div key={name} className={loud ? "loud" : undefined}><dt>{name}</dt><dd className="num">{value}</dd></div>)}</dl>
      <section><h2>{t("system.parts")}</h2><ul className="rows">{parts(status).map((part) => <PartRow key={part.name} part={part} status={status} />)}</ul></section>
      <section><h2>{t("foot.title")}</h2><Sums of={status.footage} /></section>
      <section><h2>{t("system.of.agents")}</h2><Agents agents={status.agents} /></section>
      <section><h2>{t("system.of.refused")}</h2><RefusedMessages status={status} /></section>
    </>
  );
}

function PartRow({ part, status }: { part: PartLine; status: SystemStatus }) {
  const { t } = useI18n();
  const { standing, behind } = part;
  const follows = part.name !== "scoring" && (standing === "works" || behind > LAG);
  const left = status.readings_late + status.readings_ahead;
  return (
    <li className="row partrow" data-part={part.name} data-standing={standing}>
      <span className="tag"><span className={standing === "works" ? "word ok" : standing === "off" ? "word" : "word doubt"}>{t(`system.is.${standing}`)}</span></span>
      <div>
        <strong>{t(`system.of.${part.name}`)}</strong> <span className="muted">{t(`system.does.${part.name}`)}</span>
        {follows && <p className="num">{behind > LAG ? t("system.behind", { n: behind }) : t("system.upToDate")}</p>}
        {standing !== "works" && <p>{t(`system.say.${standing}`)}</p>}
        {part.why && <p className="said" lang="en">{part.why}</p>}
        {part.fix && <p className="said" lang="en">{part.fix}</p>}
        {part.name === "rules" && left > 0 && <p className="muted num">{t("system.left", { late: status.readings_late, ahead: status.readings_ahead })}</p>}
      </div>
    </li>
  );
}

function Sums({ of }: { of: FootageSums }) {
  const { t } = useI18n();
  const n = (count: number) => count.toLocaleString("en-US");
  const counts: [string, string, boolean][] = [
    [t("sums.here"), n(of.here), false],
    [t("sums.coming"), n(of.coming), false],
    [t("sums.lost"), n(of.lost), of.lost > 0],
    [t("sums.notCounted"), n(of.not_counted), of.not_counted > 0],
    [t("sums.bytes"), t("sums.of", { size: size(of.bytes, t), most: size(of.bytes_max, t) }), false],
  ];
  return <dl className="counts" data-footage-sums>{counts.map(([name, value, loud]) => <div key={name} className={loud ? "loud" : undefined}><dt>{name}</dt><dd className="num">{value}</dd></div>)}</dl>;
}

function Agents({ agents }: { agents: AgentLine[] }) {
  const { t, tx } = useI18n();
  if (agents.length === 0) return <Nothing>{t("system.noAgents")}</Nothing>;
  const sorted = [...agents].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  return (
    <ul className="rows">
      {sorted.map((a) => (
        <li key={`${a.site}/${a.agent}`} className="row agentrow" data-agent={a.agent}>
          <span className="tag"><span className={`status status-${DOT[a.state]}`}>{t(`system.agent.${a.state}`)}</span></span>
          <span className="what"><strong>{a.agent}</strong>{a.site_name ? <a href={href("sites", a.site)}>{tx(a.site_name)}</a> : <span className="muted">{t("system.strange", { site: a.site })}</span>}</span>
          {a.footage && <span className="boxfootage"><BoxFootageWords of={a.footage} /></span>}
        </li>
      ))}
    </ul>
  );
}

function RefusedMessages({ status }: { status: SystemStatus }) {
  const { t } = useI18n();
  const [all, setAll] = useState(false);
  const { refused } = status;
  if (status.refused_by_reason.length === 0) return <Nothing>{t("system.noRefused")}</Nothing>;
  return (
    <>
      <p className="muted">{t("system.kept", { file: status.set_aside_file })}</p>
      <ul className="rows">
        {[...status.refused_by_reason].sort((a, b) => b.last_at - a.last_at).map((r) => (
          <li key={r.reason} className="row reasonrow" data-reason={r.reason}>
            <span className="num strong">× {r.count}</span>
            <div><strong>{t(`system.reason.${r.reason}`)}</strong>{r.sent_again && <> <span className="word">{t("system.sentAgain")}</span></>}<p>{t(`system.fix.${r.reason}`)}</p></div>
            <span className="muted lastat">{t("system.last")} <When at={r.last_at} /></span>
          </li>
        ))}
      </ul>
      <h3>{t("system.latest", { n: refused.length })}</h3>
      <ul className="rows small">
        {(all ? refused : refused.slice(0, SHOWN)).map((r, i) => (
          <li key={`${r.at}/${i}`} className="row messagerow">
            <When at={r.at} />
            <div><span className="word">{t(`system.reason.${r.reason}`)}</span> <code>{r.topic}</code><p className="said" lang="en">{r.what}</p></div>
          </li>
        ))}
      </ul>
      {refused.length > SHOWN && !all && <button className="plain" onClick={() => setAll(true)}>{t("cases.all")} ({refused.length})</button>}
    </>
  );
}
