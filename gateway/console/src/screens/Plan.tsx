// The visit plan: one address once, one list for all departments, what the sensors proved already ticked. Printable.
import { Button } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { Plan as PlanData, Visit, VisitItem } from "../api/model.ts";
import { day } from "../format.ts";
import { Loading, useLoad } from "../parts/load.tsx";
import { Nothing, SeverityTag, StateTag } from "../parts/words.tsx";
import { href } from "../route.ts";

export default function Plan() {
  const { t } = useI18n();
  const plan = useLoad(() => api.plan(), []);
  return (
    <>
      <div className="head"><div><h1>{t("plan.title")}</h1><p className="muted">{t("plan.sub")}</p></div><p className="headside noprint"><Button onClick={() => print()}>{t("plan.print")}</Button></p></div>
      <Loading of={plan} what="what.plan">{(data) => <Visits plan={data} />}</Loading>
    </>
  );
}

function Visits({ plan }: { plan: PlanData }) {
  const { t } = useI18n();
  if (plan.visits.length === 0) return <><Nothing>{t("plan.none")}</Nothing><WaitingList plan={plan} /></>;
  return (
    <>
      <p className="num">{t("plan.date")} {day(plan.day)} · {plan.separate > plan.visits.length ? t("plan.saved", { visits: plan.visits.length, separate: plan.separate }) : t("plan.visits", { n: plan.visits.length })}</p>
      {plan.visits.map((visit, i) => <VisitCard key={visit.site} visit={visit} n={i + 1} />)}
      <WaitingList plan={plan} />
    </>
  );
}

/** Where nobody goes for now, why, and from when somebody may. */
function WaitingList({ plan }: { plan: PlanData }) {
  const { t, tx, lang } = useI18n();
  if (plan.waiting.length === 0) return null;
  return (
    <section>
      <h2>{t("plan.waiting", { n: plan.waiting.length })}</h2>
      <ul className="card plainlist">
        {plan.waiting.map((w) => (
          <li key={w.site} data-waiting={w.site}>
            <a href={href("sites", w.site)}><strong>{tx(w.site_name)}</strong></a> <span className="muted">{w.business.name}</span>
            <div>{w.next_at != null && <span className="num">{t("plan.nextAt", { at: day(w.next_at) })}{lang === "zh" ? "；" : "; "}</span>}{w.why.map(tx).join(lang === "zh" ? "；" : "; ")}</div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function VisitCard({ visit, n }: { visit: Visit; n: number }) {
  const { t, tx, lang } = useI18n();
  const departments = new Set(visit.items.flatMap((item) => item.departments.map((d) => d.zh)));
  const toCheck = visit.items.filter((item) => item.proved_since == null), proved = visit.items.filter((item) => item.proved_since != null);
  return (
    <article className="card visit" data-visit={visit.site}>
      <header>
        <span className="stop num">{t("plan.visit", { n })}</span>
        <h2><a href={href("sites", visit.site)}>{tx(visit.site_name)}</a></h2>
        <span>{visit.address}</span>
        <span className="muted">{visit.business.name}<span className="noprint"> · {t("credit.grade", { g: visit.grade })}</span></span>
      </header>
      <p className="muted small">{[departments.size > 1 ? t("plan.departments", { n: departments.size }) : "", t("plan.toCheckCount", { n: toCheck.length }), t("plan.provedCount", { n: proved.length })].filter(Boolean).join(" · ")}{visit.why.length > 0 && <> · {t("plan.why")}{lang === "zh" ? "：" : ": "}{visit.why.map(tx).join(lang === "zh" ? "；" : "; ")}</>}</p>
      <h3>{t("plan.findings")}</h3>
      {visit.findings.length === 0 ? <p className="muted">{t("plan.noFindings")}</p> : <ul className="plainlist">{visit.findings.map((f) => <li key={f.case}><SeverityTag of={f.severity} /> <a href={href("cases", f.case)}>{tx(f.title)}</a> <StateTag of={f.state} /></li>)}</ul>}
      <h3>{t("plan.items")}</h3>
      {visit.items.length === 0 ? <p className="muted">{t("plan.noItems")}</p> : <ul className="items">{[...toCheck, ...proved].map((item) => <Item key={item.id} item={item} />)}</ul>}
      {visit.later.length > 0 && <p className="muted small">{t("plan.later")}{lang === "zh" ? "：" : ": "}{visit.later.map((item) => `${tx(item.text)}${item.not_before != null ? ` (${t("plan.nextAt", { at: day(item.not_before) })})` : ""}`).join(lang === "zh" ? "；" : "; ")}</p>}
      <p className="printonly signline">{t("plan.officers")} ____________________ {t("plan.sign")} ____________________</p>
    </article>
  );
}

function Item({ item }: { item: VisitItem }) {
  const { t, tx } = useI18n();
  const proved = item.proved_since != null;
  return (
    <li className={proved ? "proved" : undefined}>
      <span className="box" aria-hidden>{proved ? "✓" : ""}</span>
      <span className="itemtext">{tx(item.text)}
        <span className="depts">{item.departments.map((d) => <span key={d.zh} className="dept">{tx(d)}</span>)}</span>
        <span className="muted small">{item.proved_since != null ? <>{t("plan.provedSince", { at: day(item.proved_since) })}{item.proved_by && ` · ${tx(item.proved_by)}`}</> : <>{t("plan.toCheck")}{item.due_at && ` · ${day(item.due_at)}`}</>}</span>
      </span>
    </li>
  );
}
