// The case list: worst first, filters kept in the address, arrow keys move between lines.
import { Segmented, Select } from "antd";
import type { KeyboardEvent } from "react";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import { SEVERITIES, type CaseLine } from "../api/model.ts";
import { useNow } from "../live.ts";
import { CaseRow, worstFirst } from "../parts/CaseRow.tsx";
import { Loading, useLoad } from "../parts/load.tsx";
import { Nothing } from "../parts/words.tsx";
import { setQuery, useRoute } from "../route.ts";

const STATES = ["open", "taken", "confirmed", "rejected"] as const;

export default function Cases() {
  const { t } = useI18n();
  const cases = useLoad(() => api.cases(), []);
  return (
    <>
      <div className="head"><div><h1>{t("cases.title")}</h1><p className="muted">{t("cases.sub")}</p></div></div>
      <Loading of={cases} what="what.cases">{(all) => <List all={all} />}</Loading>
    </>
  );
}

function List({ all }: { all: CaseLine[] }) {
  const { t, tx } = useI18n();
  const { query } = useRoute();
  const now = useNow(30_000);
  const state = query.get("state") ?? "open", severity = query.get("severity"), site = query.get("site");
  const match = (c: CaseLine, s: string) => (s === "all" || c.state === s) && (!severity || c.severity === severity) && (!site || c.site === site);
  const shown = worstFirst(all.filter((c) => match(c, state)), now);
  const sites = [...new Map(all.map((c) => [c.site, tx(c.site_name)]))];
  const move = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step) return;
    const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("a.row")];
    rows[rows.indexOf(document.activeElement as HTMLElement) + step]?.focus();
    event.preventDefault();
  };
  return (
    <>
      <div className="filters">
        <Segmented aria-label={t("cases.state")} value={state} onChange={(value) => setQuery("state", String(value))} options={[...STATES, "all" as const].map((s) => ({ value: s, label: `${t(`cases.${s}`)} ${all.filter((c) => match(c, s)).length}` }))} />
        <Select aria-label={t("cases.severity")} value={severity ?? ""} onChange={(value) => setQuery("severity", value || null)} options={[{ value: "", label: t("cases.anySeverity") }, ...SEVERITIES.map((s) => ({ value: s as string, label: t(`sev.${s}`) }))]} popupMatchSelectWidth={false} />
        <Select aria-label={t("cases.site")} value={site ?? ""} onChange={(value) => setQuery("site", value || null)} options={[{ value: "", label: t("cases.anySite") }, ...sites.map(([value, label]) => ({ value, label }))]} popupMatchSelectWidth={false} />
      </div>
      {shown.length === 0 ? <Nothing>{t("cases.none")}</Nothing> : <ol className="rows" onKeyDown={move}>{shown.map((c) => <li key={c.id}><CaseRow of={c} now={now} /></li>)}</ol>}
    </>
  );
}
