// Confirm or set aside: the four checks, the ground, the reason, what happens next. Enter submits.
import { useRef, useState } from "react";
import { Button, Checkbox, Input, Modal, type InputRef } from "antd";
import { useI18n, type Key } from "../i18n/index.tsx";
import { decideSoon } from "../pending.ts";
import { GroundField, groundKey, groundName } from "./Ground.tsx";
import type { CasePage, Checks } from "../api/model.ts";

export type Choice = "confirm" | "reject";
const CHECKS = ["true", "complete", "clear", "accurate"] as const;
const PRESETS: Key[] = ["case.reason.door", "case.reason.defrost", "case.reason.maintenance", "case.reason.false"];
const REASON_MIN = 4;

export function DecisionDialog({ page, choice, onClose }: { page: CasePage; choice: Choice; onClose: () => void }) {
  const { t, tx } = useI18n();
  const [checks, setChecks] = useState<Checks>({ true: false, complete: false, clear: false, accurate: false });
  const [reason, setReason] = useState("");
  // What a rule raised is offered; where only a model pointed, the person names the ground alone.
  const [ground, setGround] = useState<string | null>(() => { const raised = page.grounds.find((g) => g.raised); return raised ? groundKey(raised) : null; });
  const [tried, setTried] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const field = useRef<InputRef>(null);
  const focusFirst = (open: boolean) => { if (open) { if (choice === "reject") field.current?.focus(); else form.current?.querySelector("input")?.focus(); } };
  const unchecked = choice === "confirm" && CHECKS.some((name) => !checks[name]);
  const groundless = choice === "confirm" && ground == null;
  const short = reason.trim().length < REASON_MIN;
  const submit = () => {
    setTried(true);
    if (unchecked || groundless || short) return;
    decideSoon({ id: page.id, decision: choice, reason: reason.trim(), checks, ground: choice === "confirm" && ground != null ? groundName(ground) : null });
    onClose();
  };
  const footer = [
    <span key="hint" className="muted small enterhint">{t("case.enter")}</span>,
    <Button key="cancel" onClick={onClose}>{t("case.cancel")}</Button>,
    <Button key="ok" type="primary" danger={choice === "reject"} onClick={submit} data-submit>{t(choice === "confirm" ? "case.submit" : "case.submitReject")}</Button>,
  ];
  return (
    <Modal open onCancel={onClose} title={t(choice === "confirm" ? "case.confirmTitle" : "case.rejectTitle")} footer={footer} width={560} destroyOnHidden afterOpenChange={focusFirst}>
      <form ref={form} onSubmit={(event) => { event.preventDefault(); submit(); }}>
        <p><strong>{tx(page.title)}</strong> <span className="muted">{tx(page.site_name)} · {page.id}</span></p>
        {choice === "confirm" && (
          <fieldset className="checks">
            <legend>{t("case.checks")}</legend>
            {CHECKS.map((name) => <Checkbox key={name} checked={checks[name]} onChange={(event) => setChecks({ ...checks, [name]: event.target.checked })} onKeyDown={(event) => { if (event.key === "Enter") { event.preventDefault(); submit(); } }}><strong>{t(`case.check.${name}`)}</strong> <span className="muted">{t(`case.check.${name}.help`)}</span></Checkbox>)}
            {tried && unchecked && <p className="late" role="alert">{t("case.needChecks")}</p>}
          </fieldset>
        )}
        {choice === "confirm" && <GroundField grounds={page.grounds} value={ground} onChange={setGround} missing={tried && groundless} />}
        <label className="reason">{t("case.reason")} <span className="muted small">{t("case.reasonHint")}</span>
          <Input ref={field} value={reason} maxLength={300} onChange={(event) => setReason(event.target.value)} status={tried && short ? "error" : undefined} name="reason" />
        </label>
        {tried && short && <p className="late" role="alert">{t("case.needReason")}</p>}
        {choice === "reject" && <p className="presets">{PRESETS.map((key) => <Button key={key} size="small" onClick={() => setReason(t(key))}>{t(key)}</Button>)}</p>}
        {choice === "confirm" && <div className="next"><strong>{t("case.next")}</strong><ol><li>{t("case.next.1")}</li><li>{t("case.next.2")}</li><li>{t("case.next.3")}</li></ol></div>}
        <button type="submit" hidden aria-hidden tabIndex={-1} />
      </form>
    </Modal>
  );
}
