// An order to a device: which device, what, and why. The gateway decides; it also says what an agent does not allow.
import { useState } from "react";
import { App as AntApp, Input, InputNumber, Modal, Select } from "antd";
import { useI18n, type Key } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { FleetDevice, OrderAction } from "../api/model.ts";
import { refusal } from "./load.tsx";

const MINUTES = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];
const HOUR = 3_600_000;
/** What the form offers; serial numbers and site information are asked for through the API. */
const KINDS = ["read_clock", "set_clock", "read_real_time", "read_minute", "set_real_time", "set_minute", "back_fill_minute", "back_fill_hour"] as const;
type Kind = (typeof KINDS)[number];

/** `n` is seconds or minutes of an interval, or hours of the past. */
function action(kind: Kind, n: number, now: number): OrderAction {
  switch (kind) {
    case "read_clock": return { kind: "read_clock" };
    case "set_clock": return { kind: "set_clock" };
    case "read_real_time": return { kind: "read_interval", of: "real_time" };
    case "read_minute": return { kind: "read_interval", of: "minute" };
    case "set_real_time": return { kind: "set_interval", of: "real_time", every: n };
    case "set_minute": return { kind: "set_interval", of: "minute", every: n };
    case "back_fill_minute": return { kind: "back_fill", data: "minute", from: now - n * HOUR, to: now };
    case "back_fill_hour": return { kind: "back_fill", data: "hour", from: now - n * HOUR, to: now };
  }
}

export function OrderDialog({ agent, devices, onClose }: { agent: string; devices: FleetDevice[]; onClose: () => void }) {
  const words = useI18n();
  const { t, tx } = words;
  const { message } = AntApp.useApp();
  const [device, setDevice] = useState(devices[0]?.device ?? "");
  const [kind, setKind] = useState<Kind>("read_clock");
  const [n, setN] = useState(0);
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const short = reason.trim().length < 4;
  const choose = (next: Kind) => { setKind(next); setN(next === "set_real_time" ? 30 : next === "set_minute" ? 10 : 24); };
  const submit = async () => {
    setTried(true);
    if (short) return;
    try { await api.order(agent, device, action(kind, n, Date.now()), reason.trim()); void message.success(t("orders.given")); onClose(); }
    catch (error) { void message.error(refusal(error as Error, words), 6); }
  };
  return (
    <Modal open title={t("orders.give")} onCancel={onClose} onOk={submit} okText={t("orders.give")} cancelText={t("case.cancel")} destroyOnHidden>
      <p>{t("orders.help")}</p>
      <label className="reason">{t("orders.device")}<Select value={device} onChange={setDevice} options={devices.map((d) => ({ value: d.device, label: d.name ? tx(d.name) : d.device }))} /></label>
      <label className="reason">{t("orders.order")}<Select value={kind} onChange={choose} options={KINDS.map((k) => ({ value: k, label: t(`orders.kind.${k}` as Key) }))} /></label>
      {kind === "set_real_time" && <label className="reason">{t("orders.seconds")}<InputNumber min={30} max={3600} precision={0} value={n} onChange={(value) => setN(value ?? 30)} /></label>}
      {kind === "set_minute" && <label className="reason">{t("orders.minutes")}<Select value={n} onChange={setN} options={MINUTES.map((m) => ({ value: m, label: String(m) }))} /></label>}
      {(kind === "back_fill_minute" || kind === "back_fill_hour") && <label className="reason">{t("orders.hours")}<InputNumber min={1} max={744} precision={0} value={n} onChange={(value) => setN(value ?? 24)} /></label>}
      <label className="reason">{t("case.reason")}<Input value={reason} onChange={(event) => setReason(event.target.value)} onPressEnter={submit} status={tried && short ? "error" : undefined} maxLength={300} /></label>
      {tried && short && <p className="late" role="alert">{t("case.needReason")}</p>}
    </Modal>
  );
}
