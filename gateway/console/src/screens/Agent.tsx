// One box at a site: its connection, what it holds back, its instruments, and every day's readings as a sum that comes out.
import { useState, type ReactNode } from "react";
import { Button } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { FleetDevice, FleetPage, Order } from "../api/model.ts";
import { duration } from "../format.ts";
import { BoxFootageWords } from "../parts/BoxFootage.tsx";
import { Configuration, ConfigurationWords } from "../parts/Configuration.tsx";
import { BarLine, DayTable, Gaps, Share } from "../parts/Balance.tsx";
import { pointWord } from "../footage/words.ts";
import { Loading, useLoad } from "../parts/load.tsx";
import { OrderDialog } from "../parts/OrderDialog.tsx";
import { whyWord } from "../parts/why.ts";
import { Age, Nothing, When } from "../parts/words.tsx";
import { href } from "../route.ts";
import { useUser } from "../session.tsx";
import { AgentState, BufferWords, ClockWords } from "./Fleet.tsx";

export default function Agent({ id }: { id: string }) {
  const { t } = useI18n();
  const page = useLoad(() => api.fleetAgent(id), [id]);
  return <><a className="back" href={href("fleet")}>{t("fleet.back")}</a><Loading of={page} what="what.agent">{(data) => <Body page={data} />}</Loading></>;
}

function Body({ page }: { page: FleetPage }) {
  const { t, tx } = useI18n();
  const { agent } = page;
  const facts: [string, ReactNode][] = [
    [t("fleet.state"), <AgentState key="s" of={agent.state} heard={agent.heard_at} />],
    [t("overview.lastReading"), <Age key="r" at={agent.last_reading_at} />],
    [t("fleet.today"), <Share key="t" of={agent.today} />],
    [t("fleet.week"), <Share key="w" of={agent.week} />],
    [t("fleet.buffer"), <BufferWords key="b" of={agent} />],
    [t("foot.title"), <BoxFootageWords key="f" of={agent.footage} />],
    [t("fleet.clock"), <ClockWords key="c" of={agent} />],
    [t("fleet.version"), agent.version ?? t("fleet.unsaid")],
    [t("fleet.configuration"), <ConfigurationWords key="k" of={agent} />],
  ];
  return (
    <>
      <div className="head">
        <div><h1>{agent.agent}</h1><p className="muted">{agent.site_name ? <a href={href("sites", agent.site)}>{tx(agent.site_name)}</a> : t("system.strange", { site: agent.site })}</p></div>
        <p className="headside muted">{t("cov.asOf")} <When at={page.as_of} full /></p>
      </div>
      <dl className="facts-strip">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <section><h2>{t("fleet.devices")}</h2><Devices devices={page.devices} /></section>
      <section><h2>{t("cov.byDay")}</h2><DayTable days={page.days} /></section>
      <section><h2>{t("gap.title")}</h2><Gaps gaps={page.gaps} /></section>
      <Orders of={agent.agent} devices={page.devices} />
      <section><h2>{t("fleet.configuration")}</h2><Configuration agent={agent.agent} /></section>
    </>
  );
}

/** What its devices were ordered to do; whoever may give orders gives one here. */
function Orders({ of, devices }: { of: string; devices: FleetDevice[] }) {
  const { t } = useI18n();
  const { may } = useUser();
  const [isGiving, setIsGiving] = useState(false);
  const orders = useLoad(() => api.orders(of), [of]);
  return <section className="orders"><h2>{t("orders.title")}</h2>
    {may.includes("control_devices") && devices.length > 0 && <p><Button size="small" data-give-order onClick={() => setIsGiving(true)}>{t("orders.give")}</Button></p>}
    {isGiving && <OrderDialog agent={of} devices={devices} onClose={() => setIsGiving(false)} />}
    <Loading of={orders} what="what.orders">{(all) => <OrderTable orders={all} />}</Loading>
  </section>;
}

function OrderTable({ orders }: { orders: Order[] }) {
  const { t, tx } = useI18n();
  if (orders.length === 0) return <Nothing>{t("orders.none")}</Nothing>;
  return (
    <table className="table stack">
      <thead><tr><th>{t("orders.what")}</th><th>{t("orders.who")}</th><th>{t("orders.why")}</th><th>{t("orders.outcome")}</th></tr></thead>
      <tbody>
        {orders.map((o) => (
          <tr key={o.id} data-order={o.state}>
            <td><strong>{tx(o.what)}</strong><div className="muted small">{o.device}</div></td>
            <td data-label={t("orders.who")}>{o.by}<div className="muted small"><When at={o.given_at} full /></div></td>
            <td data-label={t("orders.why")}>{o.reason}</td>
            <td data-label={t("orders.outcome")}>
              {tx(o.words)}
              {o.said.map((s) => <div key={s.name} className="small"><code>{s.name}={s.value}</code></div>)}
              {o.action.kind === "back_fill" && o.messages + o.known > 0 && <div className="muted small">{t("orders.messages", { n: String(o.messages), k: String(o.known) })}</div>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Devices({ devices }: { devices: FleetDevice[] }) {
  const words = useI18n();
  const { t, tx, lang } = words;
  if (devices.length === 0) return <Nothing>{t("fleet.noDevices")}</Nothing>;
  return (
    <table className="table stack devices">
      <thead><tr><th>{t("fleet.device")}</th><th>{t("fleet.state")}</th><th>{t("overview.lastReading")}</th><th>{t("fleet.every")}</th><th>{t("fleet.today")}</th></tr></thead>
      <tbody>
        {devices.map((d) => {
          const every = [...new Set(d.points.map((p) => (p.every_ms == null ? t("fleet.noPromise") : t("fleet.everyOf", { d: duration(p.every_ms, t) }))))];
          return (
            <tr key={d.device} data-device={d.device}>
              <td><strong>{d.name ? tx(d.name) : d.device}</strong><div className="muted small">{d.points.map((p) => pointWord(p.label, words)).join(lang === "zh" ? "、" : ", ")}</div></td>
              <td data-label={t("fleet.state")}><AgentState of={d.state} />{d.source?.state === "silent" && <div className="muted small">{whyWord(d.source.why ?? "unspecified", t)} <Age at={d.source.since} /></div>}</td>
              <td data-label={t("overview.lastReading")}><Age at={d.last_reading_at} /></td>
              <td data-label={t("fleet.every")}>{every.join(lang === "zh" ? "；" : "; ")}</td>
              <td className="barcell" data-label={t("fleet.today")}><BarLine of={d.today} /></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
