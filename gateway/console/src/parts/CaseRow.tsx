// One case in one line: how bad, where, what, how long, measured against what, until when.
import { useI18n } from "../i18n/index.tsx";
import { rank, type CaseLine } from "../api/model.ts";
import { duration, shortTime } from "../format.ts";
import { Against, Lasted, SeverityTag, StateTag, When } from "./words.tsx";
import { href } from "../route.ts";

const DAY = 86_400_000;
const settled = (c: CaseLine) => c.state === "confirmed" || c.state === "rejected";
/** By how much a case is late; 0 when it is not. */
export function overdue(c: CaseLine, now: number): number {
  return !settled(c) && c.due_at != null && c.due_at < now ? now - c.due_at : 0;
}
/** Unsettled before settled, then severity, then lateness, then the newest. */
export function worstFirst(cases: CaseLine[], now: number): CaseLine[] {
  return [...cases].sort((a, b) => Number(settled(a)) - Number(settled(b)) || rank(b.severity) - rank(a.severity) || overdue(b, now) - overdue(a, now) || b.opened_at - a.opened_at);
}

export function CaseRow({ of: c, now }: { of: CaseLine; now: number }) {
  const { t, tx } = useI18n();
  const late = overdue(c, now);
  return (
    <a className="row caserow" href={href("cases", c.id)} data-case={c.id} data-state={c.state} data-fit={c.fit}>
      <span className="tag"><SeverityTag of={c.severity} /></span>
      <span className="what"><strong>{tx(c.site_name)}</strong><span>{tx(c.title)}{c.signal_count > 1 && <span className="muted"> {t("cases.signals", { n: c.signal_count })}</span>}</span></span>
      <span className="facts">
        <Against measured={c.measured} permitted={c.permitted} value={c.limit} unit={c.unit} />
        <span className="muted"><Lasted from={c.opened_at} to={c.ended_at} /></span>
      </span>
      <span className="side">
        <StateTag of={c.state} />
        {now - c.opened_at < DAY && c.state === "open" && <span className="word new">{t("overview.new")}</span>}
        {!c.fit && <span className="word doubt">{t("cases.unfit")}</span>}
        <span className={late ? "late num" : "muted num"}>{late ? t("cases.overdue", { d: duration(late, t) }) : !settled(c) && c.due_at != null ? t("cases.due", { at: shortTime(c.due_at) }) : <>{t("cases.since")} <When at={c.opened_at} /></>}</span>
      </span>
    </a>
  );
}
