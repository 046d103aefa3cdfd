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
      {unmasking?.end && <p><Button size="small" onClick={() => setAsks(true)} disabled={!mayAsk} title={mayAsk ? undefined : t("mask.mayNotAsk")} data-ask-unmask>{t("mask.askAgain")}</Button></p>}
      {asks && <ReasonDialog title={t("mask.ask")} help={t("mask.help")} done={t("mask.done")} send={(reason) => api.unmask(footage.id, reason)} onClose={() => setAsks(false)} />}
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
      {(approvals.length > 0 || !unmasking.end) && <p>{approvals.length === 0 ? t("mask.noApprovals") : <>{t("mask.approvals", { n: approvals.length })} {approvals.map((a, i) => <span key={a.who}>{i > 0 && (lang === "zh" ? "；" : "; ")}<strong>{a.who}</strong> <When at={a.at} full /></span>)}</>}</p>}
      {unmasking.state === "asked" && (obstacle ? <p className="muted">{obstacle}</p> : <Popconfirm title={t("mask.approveSure")} okText={t("mask.approve")} cancelText={t("case.cancel")} onConfirm={approve} icon={null}><Button data-approve>{t("mask.approve")}</Button></Popconfirm>)}
      {unmasking.state === "asked" && <Ends footage={footage} mayRefuse={obstacle === null} mayWithdraw={isMe(unmasking.asked_by)} />}
      {unmasking.end && <p data-end={unmasking.state}><strong>{t(unmasking.state === "refused" ? "mask.refusedBy" : "mask.withdrawnBy", { who: unmasking.end.by })}</strong> <span className="muted"><When at={unmasking.end.at} full /></span><br />{t("mask.reason", { why: unmasking.end.reason })}</p>}
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

/** A reviewer who could approve may refuse, who asked may take it back; both say why. */
function Ends({ footage, mayRefuse, mayWithdraw }: { footage: Footage; mayRefuse: boolean; mayWithdraw: boolean }) {
  const { t } = useI18n();
  const [ends, setEnds] = useState<"refuse" | "withdraw" | null>(null);
  return (
    <p>
      {mayRefuse && <Button onClick={() => setEnds("refuse")} data-refuse>{t("mask.refuse")}</Button>}
      {mayWithdraw && <Button onClick={() => setEnds("withdraw")} data-withdraw>{t("mask.withdraw")}</Button>}
      {ends && <ReasonDialog title={t(`mask.${ends}`)} help={t(`mask.${ends}Help`)} done={t(`mask.${ends}Done`)} send={(reason) => (ends === "refuse" ? api.refuseUnmasking : api.withdrawUnmasking)(footage.id, reason)} onClose={() => setEnds(null)} />}
    </p>
  );
}

function ReasonDialog({ title, help, done, send, onClose }: { title: string; help: string; done: string; send: (reason: string) => Promise<void>; onClose: () => void }) {
  const words = useI18n();
  const { t } = words;
  const { message } = AntApp.useApp();
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const short = reason.trim().length < REASON_MIN;
  const submit = async () => {
    setTried(true);
    if (short) return;
    try { await send(reason.trim()); void message.success(done); onClose(); }
    catch (error) { void message.error(refusal(error as Error, words), 6); }
  };
  return (
    <Modal open title={title} onCancel={onClose} onOk={submit} okText={title} cancelText={t("case.cancel")} destroyOnHidden>
      <p>{help}</p>
      <label className="reason">{t("case.reason")}<Input value={reason} onChange={(event) => setReason(event.target.value)} onPressEnter={submit} status={tried && short ? "error" : undefined} maxLength={300} name="unmask-reason" /></label>
      {tried && short && <p className="late" role="alert">{t("case.needReason")}</p>}
    </Modal>
  );
}
