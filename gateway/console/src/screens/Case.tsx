// A case: evidence and rule side by side, then a decision in two keys.
import { useEffect, useState } from "react";
import { App as AntApp, Button } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { Act, CasePage, CasePoint, SignalLine } from "../api/model.ts";
import { duration, limit, number, quantity } from "../format.ts";
import { FootagePanel } from "../footage/Footage.tsx";
import { isYesNo, pointWord } from "../footage/words.ts";
import { Loading, refusal, useLoad } from "../parts/load.tsx";
import { PointChart } from "../parts/PointChart.tsx";
import { DecisionDialog, type Choice } from "../parts/DecisionDialog.tsx";
import { GroundLine } from "../parts/Ground.tsx";
import { FitnessLine, Lasted, SeverityTag, StateTag, When } from "../parts/words.tsx";
import { usePending } from "../pending.ts";
import { useUser } from "../session.tsx";
import { href } from "../route.ts";
import { Signals } from "./Site.tsx";

export default function Case({ id }: { id: string }) {
  const { t } = useI18n();
  const page = useLoad(() => api.case(id), [id]);
  return <><a className="back" href={href("cases")}>{t("case.back")}</a><Loading of={page} what="what.case">{(data) => <Body page={data} />}</Loading></>;
}

function Body({ page }: { page: CasePage }) {
  const words = useI18n();
  const { t, tx } = words;
  // Of one device the point's name is enough; of several the device is said as well.
  const named = (p: CasePoint) => (page.devices.length > 1 ? `${tx(p.device_name)} · ${pointWord(p.label, words)}` : pointWord(p.label, words));
  const pointOf = (s: SignalLine) => page.points.find((p) => p.device === s.device && p.point === s.point);
  const lead = page.points[0];
  // While it goes on the window grows in steps of a sixth of its margin, so that not each event reads the chart anew.
  const step = Math.max(1000, (page.opened_at - page.window_from) / 6);
  const to = page.ended_at == null ? page.window_from + step * Math.ceil((Math.min(page.window_to, page.now) - page.window_from) / step) : page.window_to;
  return (
    <>
      <div className="head casehead">
        <div>
          <h1><SeverityTag of={page.severity} /> {tx(page.title)}</h1>
          <p className="muted"><span className="num">{t("case.no", { id: page.id })}</span> · <a href={href("sites", page.site)}>{tx(page.site_name)}</a> · <a href={href("credit", page.business.uscc)}>{page.business.name}</a> · <StateTag of={page.state} /></p>
        </div>
      </div>
      <dl className="facts-strip">
        {page.score != null && <div><dt>{t("case.score")}</dt><dd className="num">{t("case.scoreOf", { n: number(page.score) })}</dd></div>}
        {page.measured != null && !(lead && isYesNo(lead.point)) && <div><dt>{t("case.measured")}{lead && ` · ${named(lead)}`}</dt><dd className="num hot">{quantity(page.measured, page.unit, t)}</dd></div>}
        {page.permitted != null && page.limit != null && !(lead && isYesNo(lead.point)) && <div><dt>{t("case.limit")}</dt><dd className="num">{limit(page.permitted, page.limit, page.unit, t)}</dd></div>}
        <div><dt>{t("case.lasted")}</dt><dd><Lasted from={page.opened_at} to={page.ended_at} bare /></dd></div>
        <div><dt>{t("chart.opened")}</dt><dd><When at={page.opened_at} full /></dd></div>
      </dl>
      {page.signals.map((s) => s.escalated && <Escalated key={s.id} of={s.escalated} />)}
      <Actions page={page} />
      <div className="twocol">
        <div>
        {page.devices.some((d) => d.kind === "camera") && <section><h2>{t("foot.title")}</h2><FootagePanel of={{ case: page.id }} rules={(f) => page.rules.filter((r) => page.signals.some((s) => s.rule === r.id && s.device === f.camera && s.point === f.point))} opens /></section>}
        <section>
          <h2>{t("case.before")}</h2>
          {page.points.map((p, i) => <div className="card" key={`${p.device}/${p.point}`}><PointChart site={page.site} device={p.device} point={p.point} label={named(p)} limits={p.limits} signals={page.signals} from={page.window_from} to={to} height={i === 0 ? 300 : 200} /></div>)}
        </section>
        <section><h2>{t("case.history")}</h2><History page={page} /></section>
        <section><h2>{t("case.evidence")}</h2><EvidenceCard page={page} /></section>
        </div>
        <div>
          <section><h2>{t("case.rule")}</h2>{page.rules.map((rule) => <Rule key={rule.id} rule={rule} />)}</section>
          <section><h2>{t("case.innocent")}</h2>{page.innocent.length === 0 ? <p className="muted">{t("case.noInnocent")}</p> : <ul className="card plainlist">{page.innocent.map((text) => <li key={text.zh}>{tx(text)}</li>)}</ul>}</section>
          <section><h2>{t("case.fitness")}</h2><div className="card">{page.devices.map((d) => <FitnessLine key={d.id} of={d} />)}</div></section>
        </div>
      </div>
      {page.signals.length > 1 && <section><h2>{t("case.signals")}</h2><Signals signals={page.signals} named={(s) => { const p = pointOf(s); return p ? named(p) : pointWord(s.point_label, words); }} /></section>}
    </>
  );
}

/** Why a signal is graver than its rule: what was counted, each with its case. */
function Escalated({ of }: { of: NonNullable<SignalLine["escalated"]> }) {
  const { t, tx, lang } = useI18n();
  return (
    <p className="card" data-escalated>
      {tx(of.text)} <span className="muted">{t("case.earlier")} {of.earlier.map((e, i) => <span key={e.id}>{i > 0 && (lang === "zh" ? "、" : ", ")}{e.case ? <a href={href("cases", e.case)} title={e.id}><When at={e.opened_at} full /></a> : <span title={e.id}><When at={e.opened_at} full /></span>}</span>)}</span>
    </p>
  );
}

function Rule({ rule }: { rule: CasePage["rules"][number] }) {
  const { t, tx } = useI18n();
  const rows: [string, string][] = [[t("case.standard"), rule.standard], [t("case.clause"), rule.clause]];
  if (rule.model) rows.push([t("case.model"), rule.model]);
  if (rule.averaging_s) rows.push([t("case.averaging"), duration(rule.averaging_s * 1000, t)]);
  if (rule.dwell_s) rows.push([t("case.dwell"), duration(rule.dwell_s * 1000, t)]);
  rows.push([t("case.version"), `${rule.id} · ${rule.version}`]);
  return <div className="card"><p className="ruletext">{tx(rule.text)}</p><dl className="pairs">{rows.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl></div>;
}

function History({ page }: { page: CasePage }) {
  const { t, tx } = useI18n();
  if (page.history.length === 0) return <p className="muted">{t("case.noHistory")}</p>;
  return <ul className="card plainlist">{page.history.map((h) => <li key={h.id}><When at={h.at} /> <a href={href("cases", h.id)}>{tx(h.title)}</a> <StateTag of={h.state} />{h.reason && <span className="muted"> {h.reason}</span>}</li>)}</ul>;
}

function EvidenceCard({ page }: { page: CasePage }) {
  const { t } = useI18n();
  const [copied, setCopied] = useState(false);
  const { evidence } = page;
  if (!evidence) return <p className="muted">{t("case.noEvidence")}</p>;
  const copy = () => navigator.clipboard?.writeText(evidence.digest).then(() => setCopied(true), () => setCopied(false));
  return (
    <div className="card">
      <p><a className="strong" href={api.bundleUrl(evidence.id)} download>{t("case.download")}</a> <span className="muted">{t("case.sealedAt")} <When at={evidence.sealed_at} full /></span></p>
      <p className="small muted">{t("case.digest")} <button className="plain" onClick={copy}>{copied ? t("case.copied") : t("case.copy")}</button></p>
      <code className="digest" data-digest>{evidence.digest}</code>
      <p><a href={href("credit", page.business.uscc)}>{t("case.seeCredit")}</a></p>
    </div>
  );
}

/** Why this person cannot confirm this case now; null when they can. */
function obstacle(page: CasePage, may: Act[], t: ReturnType<typeof useI18n>["t"], tx: ReturnType<typeof useI18n>["tx"]): string | null {
  if (page.blockers.length > 0) return t("case.cannot", { why: page.blockers.map(tx).join(" ") });
  if (!may.includes("confirm")) return t(may.includes("set_aside") ? "case.notReviewer" : "case.onlyLook");
  return null;
}

function Actions({ page }: { page: CasePage }) {
  const words = useI18n();
  const { t, tx } = words;
  const { message } = AntApp.useApp();
  const user = useUser();
  const pending = usePending();
  const [choice, setChoice] = useState<Choice | null>(null);
  const decided = page.decision != null || page.state === "confirmed" || page.state === "rejected";
  const waiting = pending?.id === page.id;
  const why = obstacle(page, user.may, t, tx);
  const canTake = !decided && !waiting && page.state === "open" && user.may.includes("take_up");
  const canReject = !waiting && user.may.includes("set_aside");
  const take = () => api.take(page.id).then(() => message.success(t("case.done.take")), (error: Error) => message.error(refusal(error, words), 6));
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (choice || event.ctrlKey || event.metaKey || event.altKey || /INPUT|TEXTAREA|SELECT/.test(target.tagName) || decided || waiting) return;
      const key = event.key.toLowerCase();
      if (key === "t" && canTake) void take();
      else if (key === "r" && canReject) setChoice("reject");
      else if (key === "c" && !why) setChoice("confirm");
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
  if (decided) {
    const d = page.decision;
    return <div className={`decided ${page.state}`} data-decided={page.state}>{d ? <><strong>{t(d.decision === "confirm" ? "case.decided.confirm" : "case.decided.reject", { who: d.by, at: "" }).replace(/[，,]\s*$/, "")}</strong> <When at={d.at} full /> <span>{d.reason}</span>{d.ground && <div><GroundLine of={d.ground} /></div>}</> : <StateTag of={page.state} />}</div>;
  }
  return (
    <div className="actions">
      <Button onClick={take} disabled={!canTake}>{t("case.takeKey")}</Button>
      <Button danger onClick={() => setChoice("reject")} disabled={!canReject} data-reject>{t("case.rejectKey")}</Button>
      <Button type="primary" onClick={() => setChoice("confirm")} disabled={why != null || waiting} data-confirm>{t("case.confirmKey")}</Button>
      <span className="muted looked">{page.taken_by ? <>{t("case.takenBy", { who: page.taken_by === user.name || page.taken_by === user.user ? t("case.you") : page.taken_by, at: "" }).replace(/[，,]\s*$/, "")}{page.taken_at && <> · <When at={page.taken_at} /></>}</> : t("case.nobody")}</span>
      {why && <p className="cannot" role="note" data-cannot>{why}</p>}
      {choice && <DecisionDialog page={page} choice={choice} onClose={() => setChoice(null)} />}
      <span className="muted small keys">{t("case.keys")}</span>
    </div>
  );
}
