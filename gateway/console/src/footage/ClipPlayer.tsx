// Fetches the clip when somebody asks for it, says how far it is, and hands it to the player.
import { useEffect, useRef, useState } from "react";
import { Alert, Button } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { Lengthy } from "../api/client.ts";
import type { Footage, FootagePart } from "../api/model.ts";
import { size } from "../format.ts";
import { refusal } from "../parts/load.tsx";
import { loadClip, type Clip } from "./load.ts";
import { Player } from "./Player.tsx";

type State = { is: "closed" } | { is: "reading"; got: number } | { is: "open"; clip: Clip } | { is: "failed"; error: Error | null };

export function ClipPlayer({ footage, clip }: { footage: Footage; clip: FootagePart }) {
  const words = useI18n();
  const { t } = words;
  const [state, setState] = useState<State>({ is: "closed" });
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const open = async () => {
    const control = new AbortController();
    stop.current = control;
    setState({ is: "reading", got: 0 });
    try {
      const read = await loadClip(footage, (got) => setState({ is: "reading", got }), control.signal);
      if (!control.signal.aborted) setState(read ? { is: "open", clip: read } : { is: "failed", error: null });
    } catch (error) {
      if (!control.signal.aborted) setState({ is: "failed", error: error as Error });
    }
  };
  const close = () => { stop.current?.abort(); setState({ is: "closed" }); };
  const why = (error: Error | null) => {
    if (!error) return t("foot.noFrames");
    if (!(error instanceof Lengthy)) return refusal(error, words);
    return error.got > error.announced ? t("foot.long") : t("foot.short", { got: size(error.got, t), all: size(error.announced, t) });
  };
  if (clip.state !== "here") return <p className="stillgap" data-clip={clip.state}>{t("foot.clip")}: {t(`foot.state.${clip.state}`)}</p>;
  switch (state.is) {
    case "closed": return <p><Button type="primary" onClick={open} data-open-clip>{t("foot.load", { size: size(clip.bytes, t) })}</Button></p>;
    case "reading": return <p className="reading" role="status">{t("foot.loading", { got: size(state.got, t), all: size(clip.bytes, t) })} <Button size="small" onClick={close}>{t("foot.stop")}</Button></p>;
    case "failed": return <Alert type="error" showIcon={false} message={t("foot.failed")} description={why(state.error)} action={<Button onClick={open}>{t("load.retry")}</Button>} />;
    case "open": return <Player clip={state.clip} foundAt={footage.at} />;
  }
}
