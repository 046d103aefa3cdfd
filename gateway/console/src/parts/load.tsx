// Reading something from the gateway: keeps what was shown while it reads again, says how long it takes, says what failed.
import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { Alert, Button } from "antd";
import { useI18n, type I18n, type Key } from "../i18n/index.tsx";
import { useLive } from "../live.ts";
import { Refused } from "../api/client.ts";

export interface Loaded<T> { data: T | null; error: Error | null; retry: () => void }

export function useLoad<T>(read: () => Promise<T>, deps: unknown[], live = true): Loaded<T> {
  const { version } = useLive();
  const [state, setState] = useState<{ data: T | null; error: Error | null }>({ data: null, error: null });
  const [attempt, setAttempt] = useState(0);
  const key = JSON.stringify(deps);
  const shown = useRef("");
  const run = useRef(0);
  const retry = useCallback(() => setAttempt((n) => n + 1), []);
  useEffect(() => {
    const mine = ++run.current;
    if (shown.current !== key) { shown.current = key; setState({ data: null, error: null }); }
    read().then(
      (data) => { if (mine === run.current) setState({ data, error: null }); },
      (error: Error) => { if (mine === run.current) setState((old) => ({ data: old.data, error })); },
    );
    // `read` is a new closure at every render; `key` says when it reads something else.
  }, [key, attempt, live ? version : 0]); // eslint-disable-line
  return { ...state, retry };
}

/** What went wrong: the gateway's words in the reader's language, else what the status says. */
export function refusal(error: Error, { t, tx, lang }: Pick<I18n, "t" | "tx" | "lang">): string {
  if (!(error instanceof Refused)) return t("load.offline");
  if (error.words) return [tx(error.words), tx(error.fix)].filter(Boolean).join(lang === "zh" ? "；" : "; ");
  const known: Record<number, Key> = { 403: "err.forbidden", 404: "err.notFound", 409: "err.conflict", 429: "err.busy", 503: "err.busy" };
  const key = known[error.status] ?? (error.status >= 500 ? "err.broken" : null);
  return key ? t(key) : error.message;
}

/** "Reading the overview, 3 s so far": words and elapsed time instead of a spinner. */
function Reading({ what }: { what: string }) {
  const { t } = useI18n();
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return <p className="reading" role="status">{t("load.reading", { what })}{seconds > 0 && `, ${t("load.elapsed", { n: seconds })}`}</p>;
}

export function Loading<T>({ of, what, children }: { of: Loaded<T>; what: Key; children: (data: T) => ReactNode }) {
  const words = useI18n();
  const { t } = words;
  if (of.error && !(of.data && !(of.error instanceof Refused))) {
    return <Alert type="error" showIcon={false} message={t("load.failed", { what: t(what) })} description={refusal(of.error, words)} action={<Button onClick={of.retry}>{t("load.retry")}</Button>} />;
  }
  if (!of.data) return <Reading what={t(what)} />;
  return <>{of.error && <Alert banner type="warning" showIcon={false} message={t("load.offline")} />}{children(of.data)}</>;
}
