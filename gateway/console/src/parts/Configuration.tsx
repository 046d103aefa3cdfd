// What an agent is to run: its versions with who, why and what became of each, and, for an administrator, the next one.
import { useState } from "react";
import { Alert, Button, Input } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { ConfigurationPage, ConfigurationVersion, FleetLine } from "../api/model.ts";
import { draftOf, dropDraft } from "../drafts.ts";
import { Loading, refusal, useLoad } from "./load.tsx";
import { Nothing, When } from "./words.tsx";
import { useUser } from "../session.tsx";

const WHY_MIN = 4;
const EXAMPLE = '[[device]]\nid = "cold-room"\nprofile = "devices/cold-room-logger.toml"\naddress = "192.168.1.20:502"\nevery = "1m"\n';

/** Whether an agent runs what is wanted of it, in one line. */
export function ConfigurationWords({ of }: { of: FleetLine }) {
  const { t } = useI18n();
  const state = of.configuration;
  const words = t(`fleet.conf.${state}`, { w: of.configuration_wanted ?? 0, v: of.configuration_runs ?? 0 });
  const runs = of.configuration_runs == null ? null : of.configuration_runs === 0 ? t("fleet.conf.runsOwn") : t("fleet.conf.runs", { v: of.configuration_runs });
  const isBad = state === "refused" || state === "rolled_back" || state === "other";
  return <span className={isBad ? "late" : undefined} data-configuration={state}>{words}{isBad && runs && <div className="muted small">{runs}</div>}</span>;
}

export function Configuration({ agent }: { agent: string }) {
  const page = useLoad(() => api.configuration(agent), [agent]);
  return <Loading of={page} what="what.configuration">{(data) => <Body page={data} reload={page.retry} />}</Loading>;
}

function Body({ page, reload }: { page: ConfigurationPage; reload: () => void }) {
  const { t } = useI18n();
  const may = useUser().may.includes("keep_agents");
  const [edits, setEdits] = useState(may && draftOf(page.agent) != null);
  const close = () => { dropDraft(page.agent); setEdits(false); };
  return (
    <>
      {page.versions.length === 0 ? <Nothing>{t("conf.none")}</Nothing> : page.versions.map((version, place) => <Version key={version.version} of={version} open={place === 0} />)}
      {edits && may ? <Editor page={page} onDone={() => { close(); reload(); }} onCancel={close} />
        : <p><Button onClick={() => setEdits(true)} disabled={!may} title={may ? undefined : t("conf.adminOnly")} data-edit>{t("conf.edit")}</Button>{!may && <span className="muted small"> {t("conf.adminOnly")}</span>}</p>}
    </>
  );
}

function Version({ of, open }: { of: ConfigurationVersion; open: boolean }) {
  const { t } = useI18n();
  const { became } = of;
  const isBad = became?.state === "refused" || became?.state === "rolled_back";
  return (
    <details className="conf" open={open} data-version={of.version}>
      <summary><strong className="num">{t("conf.version", { v: of.version })}</strong> {of.why} <span className="muted small">{of.by} · <When at={of.at} full /></span> <span className={isBad ? "late" : undefined}>{t(became ? `conf.became.${became.state}` : "conf.became.waiting")}</span></summary>
      {became && became.reasons.length > 0 && <ul className="late">{became.reasons.map((reason) => <li key={reason}>{reason}</li>)}</ul>}
      <pre>{of.text.trim() === "" ? t("conf.own") : of.text}</pre>
      {Object.entries(of.files).map(([name, text]) => <details key={name}><summary className="num">{name}</summary><pre>{text}</pre></details>)}
    </details>
  );
}

function Editor({ page, onDone, onCancel }: { page: ConfigurationPage; onDone: () => void; onCancel: () => void }) {
  const words = useI18n();
  const { t } = words;
  const newest = page.versions[0], prepared = draftOf(page.agent);
  const [text, setText] = useState(prepared ?? newest?.text ?? "");
  const [files, setFiles] = useState<[string, string][]>(Object.entries(newest?.files ?? {}));
  const [why, setWhy] = useState("");
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const short = why.trim().length < WHY_MIN;
  const change = (place: number, file: [string, string]) => setFiles(files.map((old, n) => (n === place ? file : old)));
  const submit = async () => {
    setTried(true);
    if (short) return;
    try {
      const named = files.filter(([name]) => name.trim() !== "");
      await api.configure(page.agent, { text, files: Object.fromEntries(named), why: why.trim(), based_on: newest?.version ?? 0 });
      onDone();
    } catch (failed) { setError(failed as Error); }
  };
  return (
    <form className="confedit" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      {prepared != null && <p className="cannot" data-prepared>{t("conf.prepared")}</p>}
      <p className="muted small">{t("conf.help")}</p>
      <label>{t("conf.text")}<Input.TextArea className="num" value={text} onChange={(event) => setText(event.target.value)} autoSize={{ minRows: 8, maxRows: 30 }} name="text" spellCheck={false} placeholder={EXAMPLE} /></label>
      {files.map(([name, body], place) => (
        <fieldset key={place}>
          <label>{t("conf.file")}<Input className="num" value={name} onChange={(event) => change(place, [event.target.value, body])} name={`file-${place}`} /></label>
          <Input.TextArea className="num" aria-label={name} value={body} onChange={(event) => change(place, [name, event.target.value])} autoSize={{ minRows: 4, maxRows: 20 }} spellCheck={false} />
          <Button size="small" onClick={() => setFiles(files.filter((_, n) => n !== place))}>{t("conf.removeFile")}</Button>
        </fieldset>
      ))}
      <p><Button size="small" onClick={() => setFiles([...files, ["", ""]])}>{t("conf.addFile")}</Button></p>
      <label>{t("conf.why")}<Input value={why} maxLength={300} onChange={(event) => setWhy(event.target.value)} status={tried && short ? "error" : undefined} name="why" /></label>
      {tried && short && <p className="late" role="alert">{t("conf.needWhy")}</p>}
      {error && <Alert type="error" showIcon={false} message={t("conf.refused")} description={refusal(error, words)} />}
      <p><Button type="primary" htmlType="submit" data-submit>{t("conf.submit", { v: (newest?.version ?? 0) + 1 })}</Button> <Button onClick={onCancel}>{t("case.cancel")}</Button></p>
    </form>
  );
}
