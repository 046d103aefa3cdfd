// The morning page: what is new, what is overdue, what is quiet that should not be. Worst first, one line each.
import { useI18n, type Key } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import { SEVERITIES, rank, type CaseLine, type SiteLine } from "../api/model.ts";
import { age, duration, number } from "../format.ts";
import { useNow } from "../live.ts";
import { Loading, useLoad } from "../parts/load.tsx";
import { Age, Nothing, SeverityTag, StatusWord } from "../parts/words.tsx";
import { CaseRow, overdue, worstFirst } from "../parts/CaseRow.tsx";
import { href } from "../route.ts";

const DAY = 86_400_000;
const quiet = (site: SiteLine) => site.status === "quiet" || site.status === "offline";
const worst = (site: SiteLine) => Math.max(0, ...SEVERITIES.filter((s) => site.open[s] > 0).map(rank));

export function Overview() {
  const { t } = useI18n();
  const page = useLoad(async () => { const [overview, cases] = await Promise.all([api.overview(), api.cases()]); return { overview, cases }; }, []);
  return (
    <>
      <div className="head"><div><h1>{t("overview.title")}</h1><p className="muted">{t("overview.sub")}</p></div></div>
      <Loading of={page} what="what.overview">{({ overview, cases }) => <>{overview.time_scale > 1 && <p className="drill">{t("overview.drill", { n: number(overview.time_scale) })}</p>}<Morning sites={overview.sites} cases={cases} /></>}</Loading>
    </>
  );
}

function Morning({ sites, cases }: { sites: SiteLine[]; cases: CaseLine[] }) {
  const { t } = useI18n();
  const now = useNow(30_000);
  const open = cases.filter((c) => c.state === "open" || c.state === "taken");
  const silent = sites.filter(quiet);
  const order = [...sites].sort((a, b) => worst(b) - worst(a) || Number(quiet(b)) - Number(quiet(a)) || (a.id < b.id ? -1 : 1));
  const counts: [string, string, boolean][] = [
    [t("overview.count.overdue"), t("overview.items", { n: open.filter((c) => overdue(c, now) > 0).length }), open.some((c) => overdue(c, now) > 0)],
    [t("overview.count.new"), t("overview.items", { n: open.filter((c) => now - c.opened_at < DAY).length }), false],
    [t("overview.count.open"), t("overview.items", { n: open.length }), false],
    [t("overview.count.quiet"), t("overview.siteCount", { n: silent.length }), silent.length > 0],
  ];
  return (
    <>
      <dl className="counts">{counts.map(([name, value, loud]) => <div key={name} className={loud ? "loud" : undefined}><dt>{name}</dt><dd className="num">{value}</dd></div>)}</dl>
      <section aria-labelledby="todo">
        <h2 id="todo">{t("overview.attention")}</h2>
        {open.length + silent.length === 0 ? <Nothing>{t("overview.nothing")}</Nothing> : (
          <ol className="rows">
            {worstFirst(open, now).map((c) => <li key={c.id}><CaseRow of={c} now={now} /></li>)}
            {silent.map((site) => <li key={site.id}><QuietRow of={site} now={now} /></li>)}
          </ol>
        )}
      </section>
      <section aria-labelledby="sites">
        <h2 id="sites">{t("overview.sites")}</h2>
        {order.length === 0 ? <Nothing>{t("overview.noSites")}</Nothing> : <ol className="rows">{order.map((site) => <li key={site.id}><SiteRow of={site} /></li>)}</ol>}
      </section>
    </>
  );
}

function QuietRow({ of: site, now }: { of: SiteLine; now: number }) {
  const { t, tx } = useI18n();
  return (
    <a className="row" href={href("sites", site.id)}>
      <span className="tag"><span className="sev sev-quiet">{t("overview.quiet")}</span></span>
      <span className="what"><strong>{tx(site.name)}</strong><span>{site.last_reading_at ? t("overview.quietLine", { age: age(site.last_reading_at, now, t) }) : t("overview.quietNever")}</span></span>
      <span className="side num">{site.last_reading_at ? duration(now - site.last_reading_at, t) : ""}</span>
    </a>
  );
}

function SiteRow({ of: site }: { of: SiteLine }) {
  const { t, tx, lang } = useI18n();
  const open = SEVERITIES.filter((s) => site.open[s] > 0);
  const where = [site.domains.map((d) => t(`domain.${d}` as Key)).join(lang === "zh" ? "、" : ", "), site.address].filter(Boolean).join(" · ");
  return (
    <a className="row siterow" href={href("sites", site.id)} data-site={site.id}>
      <span className="tag"><StatusWord of={site.status} /></span>
      <span className="what"><strong>{tx(site.name)}</strong><span className="muted">{where}</span></span>
      <span className="signals">{open.length === 0 ? <span className="muted">{t("overview.noSignals")}</span> : open.map((s) => <span key={s} className="count"><SeverityTag of={s} /> <span className="num">× {site.open[s]}</span></span>)}</span>
      <span className="side"><span className="muted">{t("overview.lastReading")}</span> <Age at={site.last_reading_at} /><br /><span className="muted small">{t("overview.agents", { on: site.agents_online, all: site.agents })}</span></span>
    </a>
  );
}
