// The boxes at the sites: who is there, what they still hold back, how complete their readings are. Worst first.
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { FleetLine } from "../api/model.ts";
import { duration } from "../format.ts";
import { count, Share } from "../parts/Balance.tsx";
import { percent } from "../parts/sums.ts";
import { Loading, useLoad } from "../parts/load.tsx";
import { Age, Nothing } from "../parts/words.tsx";
import { ConfigurationWords } from "../parts/Configuration.tsx";
import { href } from "../route.ts";

const DOT: Record<FleetLine["state"], string> = { offline: "offline", online: "live", unheard: "never" };
/** Within this a clock is right for supervision: polls are seconds apart. */
const CLOCK_MS = 1000;

export default function Fleet() {
  const { t } = useI18n();
  const fleet = useLoad(() => api.fleet(), []);
  return (
    <>
      <div className="head"><div><h1>{t("fleet.title")}</h1><p className="muted">{t("fleet.sub")}</p></div></div>
      <Loading of={fleet} what="what.fleet">{(data) => <section><List agents={data.agents} /></section>}</Loading>
    </>
  );
}

function List({ agents }: { agents: FleetLine[] }) {
  const { t, tx } = useI18n();
  if (agents.length === 0) return <Nothing>{t("system.noAgents")}</Nothing>;
  return (
    <table className="table stack fleet">
      <thead><tr><th>{t("fleet.agent")}</th><th>{t("fleet.state")}</th><th>{t("overview.lastReading")}</th><th>{t("fleet.today")}</th><th>{t("fleet.week")}</th><th>{t("fleet.buffer")}</th><th>{t("fleet.clock")}</th><th>{t("fleet.version")}</th><th>{t("fleet.configuration")}</th></tr></thead>
      <tbody>
        {agents.map((a) => (
          <tr key={`${a.site}/${a.agent}`} data-fleet={a.agent}>
            <td><a className="strong" href={href("fleet", a.agent)}>{a.agent}</a><div>{a.site_name ? <a href={href("sites", a.site)}>{tx(a.site_name)}</a> : <span className="muted">{t("system.strange", { site: a.site })}</span>}</div></td>
            <td data-label={t("fleet.state")}><AgentState of={a.state} heard={a.heard_at} /></td>
            <td data-label={t("overview.lastReading")}><Age at={a.last_reading_at} /></td>
            <td data-label={t("fleet.today")}><Share of={a.today} /></td>
            <td data-label={t("fleet.week")}><Share of={a.week} /></td>
            <td data-label={t("fleet.buffer")}><BufferWords of={a} /></td>
            <td data-label={t("fleet.clock")}><ClockWords of={a} /></td>
            <td data-label={t("fleet.version")}><span className="num">{a.version ?? t("fleet.unsaid")}</span></td>
            <td data-label={t("fleet.configuration")}><ConfigurationWords of={a} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function AgentState({ of, heard }: { of: FleetLine["state"]; heard?: number | null }) {
  const { t } = useI18n();
  return <><span className={`status status-${DOT[of]}`}>{t(`system.agent.${of}`)}</span>{heard != null && <div className="muted small"><Age at={heard} /></div>}</>;
}

export function BufferWords({ of }: { of: FleetLine }) {
  const { t } = useI18n();
  const { buffer } = of;
  if (!buffer) return <span className="muted">{t("fleet.unsaid")}</span>;
  return (
    <span className="num">
      {buffer.records != null && t("fleet.waiting", { n: count(buffer.records) })}
      {buffer.fill != null && <div>{t("fleet.fill", { p: percent(buffer.fill) })}</div>}
      {buffer.oldest_at != null && <div className="muted small">{t("fleet.oldest")} <Age at={buffer.oldest_at} /></div>}
    </span>
  );
}

export function ClockWords({ of }: { of: FleetLine }) {
  const { t } = useI18n();
  const ms = of.clock_offset_ms;
  if (of.clock_trusted === false) return <span className="late">{t("fleet.clock.untrusted")}</span>;
  if (ms == null) return <span className="muted">{t("fleet.unsaid")}</span>;
  if (Math.abs(ms) < CLOCK_MS) return <span>{t("fleet.clock.right")}</span>;
  return <span className="num late">{t(ms > 0 ? "fleet.clock.ahead" : "fleet.clock.behind", { d: duration(Math.abs(ms), t) })}</span>;
}
