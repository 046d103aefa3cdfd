// Unmasking: asked for with a reason, approved by two others, and then only a file that two custodians open together.
import { useState } from "react";
import { App as AntApp, Button, Input, Modal, Popconfirm } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { Footage, Unmasking } from "../api/model.ts";
import { refusal } from "../parts/load.tsx";
import { When } from "../parts/words.tsx";
import { useUser } from "../session.tsx";
import { partOf } from "./load.ts";

const REASON_MIN = 4;
/** How the sealed file opens: the second custodian's layer lies around the first's (contract, `What::Seal`). */
const OPEN_SECOND = "age -d -i custodian.key -o half.age original.age", OPEN_FIRST = "age -d -i custodian.key -o original.frames half.age";

export function UnmaskPart({ footage }: { footage: Footage }) {
  const { t } = useI18n();
  const { may } = useUser();
  const [asks, setAsks] = useState(false);
  const original = partOf(footage, "original"), { unmasking } = footage;
  const mayAsk = may.includes("ask_unmasking");
  if (!original) return <section><h3>{t("mask.title")}</h3><p className="muted">{t("mask.noOriginal")}</p></section>;
  return (
    <section className="unmask" data-unmasking={unmasking?.state ?? "none"}>
      <h3>{t("mask.title")}</h3>
      {unmasking ? <Asked footage={footage} unmasking={unmasking} /> : (
        <p><span className="muted">{t("mask.none")}</span> <Button size="small" onClick={() => setAsks(true)} disabled={!mayAsk} title={mayAsk ? undefined : t("mask.mayNotAsk")} data-ask-unmask>{t("mask.ask")}</Button>{!mayAsk && <span className="muted small"> {t("mask.mayNotAsk")}</span>}</p>
      )}
      {asks && <AskDialog footage={footage} onClose={() => setAsks(false)} />}
    </section>
  );
}

function Asked({ footage, unmasking }: { footage: Footage; unmasking: Unmasking }) {
  const words = useI18n();
  const { t, lang } = words;
  const { message } = AntApp.useApp();
  const user = useUser();
  const approve = () => api.approveUnmasking(footage.id).then(() => message.success(t("mask.didApprove")), (error: Error) => message.error(refusal(error, words), 6));
  const { approvals } = unmasking;
  const isMe = (who: string) => who === user.name || who === user.user;
  const obstacle = !user.may.includes("approve_unmasking") ? t("mask.mayNot") : isMe(unmasking.asked_by) ? t("mask.own") : approvals.some((a) => isMe(a.who)) ? t("mask.already") : null;
  return (
    <>
      <p><strong>{t("mask.asked", { who: unmasking.asked_by })}</strong> <span className="muted"><When at={unmasking.asked_at} full /></span></p>
      <p>{t("mask.reason", { why: unmasking.reason })}</p>
      <p>{approvals.length === 0 ? t("mask.noApprovals") : <>{t("mask.approvals", { n: approvals.length })} {approvals.map((a, i) => <span key={a.who}>{i > 0 && (lang === "zh" ? "；" : "; ")}<strong>{a.who}</strong> <When at={a.at} full /></span>)}</>}</p>
      {unmasking.state === "asked" && (obstacle ? <p className="muted">{obstacle}</p> : <Popconfirm title={t("mask.approveSure")} okText={t("mask.approve")} cancelText={t("case.cancel")} onConfirm={approve} icon={null}><Button data-approve>{t("mask.approve")}</Button></Popconfirm>)}
      {unmasking.state === "approved" && <p>{t("mask.approved")}</p>}
      {unmasking.state === "here" && (
        <>
          <p>{t("mask.here")} <a className="strong" href={api.partUrl(footage.id, "original")} download="original.age" data-original>{t("mask.download")}</a></p>
          <p className="muted small">{t("mask.open")}</p>
          <p className="small">{t("mask.second")} <code>{OPEN_SECOND}</code><br />{t("mask.first")} <code>{OPEN_FIRST}</code></p>
        </>
      )}
    </>
  );
}

function AskDialog({ footage, onClose }: { footage: Footage; onClose: () => void }) {
  const words = useI18n();
  const { t } = words;
  const { message } = AntApp.useApp();
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const short = reason.trim().length < REASON_MIN;
  const submit = async () => {
    setTried(true);
    if (short) return;
    try { await api.unmask(footage.id, reason.trim()); void message.success(t("mask.done")); onClose(); }
    catch (error) { void message.error(refusal(error as Error, words), 6); }
  };
  return (
    <Modal open title={t("mask.ask")} onCancel={onClose} onOk={submit} okText={t("mask.ask")} cancelText={t("case.cancel")} destroyOnHidden>
      <p>{t("mask.help")}</p>
      <label className="reason">{t("case.reason")}<Input value={reason} onChange={(event) => setReason(event.target.value)} onPressEnter={submit} status={tried && short ? "error" : undefined} maxLength={300} name="unmask-reason" /></label>
      {tried && short && <p className="late" role="alert">{t("case.needReason")}</p>}
    </Modal>
  );
}
