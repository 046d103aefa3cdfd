// A business's credit record: what stands in it, what became of each entry, where it was sent, and the risk class explained.
import { useState } from "react";
import { App as AntApp, Button, Input, Modal, Segmented } from "antd";
import { useI18n, type Key } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import { SEVERITIES, type BusinessLine, type Correction, type CreditAction, type CreditEntry, type CreditPage, type Act, type EntryStatus } from "../api/model.ts";
import { day } from "../format.ts";
import { Loading, refusal, useLoad } from "../parts/load.tsx";
import { GroundField, GroundLine, groundKey, groundName } from "../parts/Ground.tsx";
import { Nothing, SeverityTag, When } from "../parts/words.tsx";
import { useUser } from "../session.tsx";
import { href } from "../route.ts";

/** What may be done with an entry in a state. The gateway decides; this only hides what it would refuse. */
const ACTIONS: Record<EntryStatus, CreditAction[]> = {
  notified: ["objection", "in_force", "correct", "withdraw"], in_force: ["objection", "repair", "correct", "withdraw"], under_objection: ["uphold", "correct", "withdraw"],
  corrected: [], withdrawn: [], repaired: [], expired: [],
};
const allowed = (may: Act[], action: CreditAction) => may.includes(action === "objection" ? "note_objection" : "change_record");

export default function Credit({ uscc }: { uscc: string | null }) {
  return uscc ? <One uscc={uscc} /> : <All />;
}

function Grade({ of }: { of: CreditPage["grade"] }) {
  const { t } = useI18n();
  return <span className={`grade grade-${of}`}>{t("credit.grade", { g: of })} · {t(`credit.gradeWord.${of}`)}</span>;
}

function All() {
  const { t } = useI18n();
  const list = useLoad(() => api.businesses(), []);
  return (
    <>
      <div className="head"><div><h1>{t("credit.title")}</h1><p className="muted">{t("credit.gradeInternal")}</p></div></div>
      <Loading of={list} what="what.credit">{(all) => (all.length === 0 ? <Nothing>{t("credit.noBusinesses")}</Nothing> : <ol className="rows">{[...all].sort((a, b) => (a.grade < b.grade ? 1 : a.grade > b.grade ? -1 : b.entries - a.entries)).map((b) => <li key={b.uscc}><BusinessRow of={b} /></li>)}</ol>)}</Loading>
    </>
  );
}

function BusinessRow({ of: b }: { of: BusinessLine }) {
  const { t } = useI18n();
  return (
    <a className="row businessrow" href={href("credit", b.uscc)} data-uscc={b.uscc}>
      <span className="tag wide"><Grade of={b.grade} /></span>
      <span className="what"><strong>{b.name}</strong><span className="muted num">{b.uscc}</span></span>
      <span className="side num">{t("credit.entries")} {b.entries}</span>
    </a>
  );
}

function One({ uscc }: { uscc: string }) {
  const { t } = useI18n();
  const page = useLoad(() => api.credit(uscc), [uscc]);
  return <><a className="back" href={href("credit")}>{t("credit.back")}</a><Loading of={page} what="what.credit">{(data) => <Body page={data} />}</Loading></>;
}

function Body({ page }: { page: CreditPage }) {
  const { t, tx } = useI18n();
  return (
    <>
      <div className="head"><div><h1>{page.business.name}</h1><p className="muted">{t("credit.uscc")} <span className="num">{page.business.uscc}</span></p></div><p className="headside"><Grade of={page.grade} /></p></div>
      <section>
        <h2>{t("credit.why")}</h2>
        <div className="card">
          {page.explanation.length === 0 ? <p>{t("credit.noWhy")}</p> : <ul className="plainlist">{page.explanation.map((line, i) => <li key={i} className="spread"><span>{tx(line.text)}</span>{line.points != null && <span className="num">{t("credit.points", { n: line.points })}</span>}</li>)}</ul>}
          <p className="muted small">{t("credit.gradeInternal")}</p>
        </div>
      </section>
      <section><h2>{t("credit.entries")}</h2>{page.entries.length === 0 ? <Nothing>{t("credit.noEntries")}</Nothing> : page.entries.map((entry) => <Entry key={entry.id} entry={entry} />)}</section>
    </>
  );
}

function Entry({ entry }: { entry: CreditEntry }) {
  const { t, tx } = useI18n();
  const { may } = useUser();
  const [action, setAction] = useState<CreditAction | null>(null);
  const actions = (ACTIONS[entry.status] ?? []).filter((a) => allowed(may, a));
  return (
    <article className="card entry" data-entry={entry.id} data-status={entry.status}>
      <header><SeverityTag of={entry.severity} /> <strong>{tx(entry.title)}</strong> <span className={`word st-${entry.status}`}>{t(`credit.st.${entry.status}`)}</span><span className="muted num">{entry.id}</span></header>
      <p className="muted small">{t("credit.occurred")} <When at={entry.occurred_at} /> · {t("credit.recorded")} <When at={entry.recorded_at} />{entry.public_until && <> · {t("credit.until")} <span className="num">{day(entry.public_until)}</span></>} · <a href={href("cases", entry.case)}>{t("credit.case", { id: entry.case })}</a></p>
      {entry.superseded_by && <p className="cannot">{t("credit.supersededBy", { id: entry.superseded_by })}</p>}
      {entry.corrects && <p className="small">{t("credit.corrects", { id: entry.corrects })}</p>}
      {entry.ground && <p className="small"><GroundLine of={entry.ground} /></p>}
      <div className="twocol tight">
        <div><h3>{t("credit.timeline")}</h3><ol className="timeline">{entry.timeline.map((s, i) => <li key={i}><strong>{t(`credit.st.${s.status}`)}</strong> <When at={s.at} /> <span className="muted">{s.by}</span><div>{s.reason}</div></li>)}</ol></div>
        <div><h3>{t("credit.deliveries")}</h3>{entry.deliveries.length === 0 ? <p className="muted">{t("credit.noDeliveries")}</p> : <ol className="timeline">{entry.deliveries.map((d, i) => <li key={i}><strong className={d.outcome === "delivered" ? "good" : d.outcome === "waiting" ? "" : "late"}>{t(`credit.${d.outcome}` as Key)}</strong> <When at={d.at} /> <span className="muted">{t("credit.attempt", { n: d.attempt })}</span>{d.answer && <div className="muted">{d.answer}</div>}</li>)}</ol>}</div>
      </div>
      {actions.length > 0 && <p className="presets">{actions.map((a) => <Button key={a} size="small" danger={a === "withdraw"} onClick={() => setAction(a)}>{t(`credit.act.${a}`)}</Button>)}</p>}
      {action && <ActionDialog entry={entry} action={action} onClose={() => setAction(null)} />}
    </article>
  );
}

function ActionDialog({ entry, action, onClose }: { entry: CreditEntry; action: CreditAction; onClose: () => void }) {
  const words = useI18n();
  const { t, tx } = words;
  const { message } = AntApp.useApp();
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const [change, setChange] = useState<Correction>({});
  const short = reason.trim().length < 4;
  const unchanged = action === "correct" && (change.severity ?? entry.severity) === entry.severity && (change.ground == null || (entry.ground != null && groundKey(change.ground) === groundKey(entry.ground)));
  const submit = async () => {
    setTried(true);
    if (short || unchanged) return;
    try { await api.creditAction(entry.id, action, reason.trim(), action === "correct" ? change : null); void message.success(t("credit.done")); onClose(); }
    catch (error) { void message.error(refusal(error as Error, words), 6); }
  };
  return (
    <Modal open title={t(`credit.act.${action}`)} onCancel={onClose} onOk={submit} okText={t(`credit.act.${action}`)} okButtonProps={{ danger: action === "withdraw" }} cancelText={t("case.cancel")} destroyOnHidden>
      <p><strong>{tx(entry.title)}</strong> <span className="muted">{entry.id}</span></p>
      <p>{t(`credit.act.help.${action}`)}</p>
      {action === "correct" && <CorrectionFields entry={entry} value={change} onChange={setChange} />}
      {tried && unchanged && <p className="late" role="alert">{t("credit.unchanged")}</p>}
      <label className="reason">{t("case.reason")}<Input autoFocus value={reason} onChange={(event) => setReason(event.target.value)} onPressEnter={submit} status={tried && short ? "error" : undefined} maxLength={300} /></label>
      {tried && short && <p className="late" role="alert">{t("case.needReason")}</p>}
    </Modal>
  );
}

/** What a correction changes: how grave, and which ground. The old entry stays as it is. */
function CorrectionFields({ entry, value, onChange }: { entry: CreditEntry; value: Correction; onChange: (value: Correction) => void }) {
  const { t } = useI18n();
  const source = useLoad(() => api.case(entry.case), [entry.case], false);
  const ground = value.ground ?? entry.ground;
  return (
    <>
      <label className="reason">{t("credit.correctSeverity")}
        <Segmented block value={value.severity ?? entry.severity} onChange={(severity) => onChange({ ...value, severity })} options={SEVERITIES.map((s) => ({ value: s, label: t(`sev.${s}`) }))} />
      </label>
      <Loading of={source} what="what.case">{(page) => <GroundField grounds={page.grounds} value={ground ? groundKey(ground) : null} onChange={(key) => onChange({ ...value, ground: groundName(key) })} missing={false} />}</Loading>
    </>
  );
}
