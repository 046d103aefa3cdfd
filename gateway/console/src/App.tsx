// The frame around every screen: sign-in, menu, live word, language, and the decision that can still be undone.
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { App as AntApp, Button, ConfigProvider } from "antd";
import zhCN from "antd/locale/zh_CN";
import enUS from "antd/locale/en_US";
import { I18nContext, i18n, storedLang, storeLang, useI18n, type Key, type Lang } from "./i18n/index.tsx";
import { api, whenSignedOut } from "./api/client.ts";
import type { User } from "./api/model.ts";
import { POLL_S, refresh, startLive, useLive, useNow } from "./live.ts";
import { onOutcome, sendNow, undo, usePending } from "./pending.ts";
import { href, useRoute } from "./route.ts";
import { troubles } from "./parts/health.ts";
import { refusal } from "./parts/load.tsx";
import { UserContext, useUser } from "./session.tsx";
import { SignIn } from "./screens/SignIn.tsx";
import { Overview } from "./screens/Overview.tsx";

const Site = lazy(() => import("./screens/Site.tsx"));
const Cases = lazy(() => import("./screens/Cases.tsx"));
const Case = lazy(() => import("./screens/Case.tsx"));
const Credit = lazy(() => import("./screens/Credit.tsx"));
const Plan = lazy(() => import("./screens/Plan.tsx"));
const Cameras = lazy(() => import("./screens/Cameras.tsx"));
const Zones = lazy(() => import("./screens/Zones.tsx"));
const Fleet = lazy(() => import("./screens/Fleet.tsx"));
const Agent = lazy(() => import("./screens/Agent.tsx"));
const System = lazy(() => import("./screens/System.tsx"));

const THEME = { token: { colorPrimary: "#0f5c6e", colorLink: "#0f5c6e", colorError: "#b3261e", borderRadius: 4, fontSize: 14, motion: false, fontFamily: "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'WenQuanYi Micro Hei', sans-serif" } };
const LOOK_MS = 30_000;
const MENU: [string, Key][] = [["", "nav.overview"], ["cases", "nav.cases"], ["credit", "nav.credit"], ["plan", "nav.plan"], ["cameras", "nav.cameras"], ["fleet", "nav.fleet"], ["system", "nav.system"]];

export function App() {
  const [lang, setLang] = useState<Lang>(storedLang);
  const words = useMemo(() => i18n(lang, (next) => { storeLang(next); setLang(next); }), [lang]);
  useEffect(() => { document.documentElement.lang = lang === "zh" ? "zh-CN" : "en"; document.title = words.t("app.name"); }, [lang, words]);
  return (
    <I18nContext.Provider value={words}>
      <ConfigProvider locale={lang === "zh" ? zhCN : enUS} theme={THEME} button={{ autoInsertSpace: false }} wave={{ disabled: true }}>
        <AntApp message={{ maxCount: 1, top: 54 }}><Gate /></AntApp>
      </ConfigProvider>
    </I18nContext.Provider>
  );
}

/** Nothing is shown before the gateway has said who this is. */
function Gate() {
  const { t } = useI18n();
  const [user, setUser] = useState<User | null | undefined>(undefined);
  const [expired, setExpired] = useState(false);
  useEffect(() => {
    whenSignedOut(() => { setUser((old) => { if (old) setExpired(true); return null; }); });
    api.whoami().then(setUser, () => setUser(null));
  }, []);
  if (user === undefined) return <p className="reading pad">{t("load.reading", { what: t("what.overview") })}</p>;
  if (user === null) return <SignIn expired={expired} onSignedIn={(next) => { setExpired(false); setUser(next); }} />;
  const signOut = () => { void sendNow(); api.signOut().finally(() => setUser(null)); };
  return <UserContext.Provider value={user}><Frame signOut={signOut} /></UserContext.Provider>;
}

function Frame({ signOut }: { signOut: () => void }) {
  const { t, lang, setLang } = useI18n();
  const { path } = useRoute();
  const user = useUser();
  useEffect(startLive, []);
  useOutcomeMessages();
  const here = path[0] === "sites" ? "" : (path[0] ?? "");
  const wrong = useTroubles(here);
  useEffect(() => { scrollTo(0, 0); }, [path.join("/")]);
  return (
    <div className="frame">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>{t("nav.skip")}</a>
      <header className="bar">
        <a className="brand" href={href()}><img src="./icon.svg" alt="" width="22" height="22" />{t("app.name")}</a>
        <nav aria-label={t("app.menu")}>
          {MENU.map(([to, key]) => <a key={to} href={href(...(to ? [to] : []))} aria-current={here === to ? "page" : undefined}>{t(key)}{to === "system" && wrong > 0 && <span className="badge num" title={t("nav.badge", { n: wrong })} aria-label={t("nav.badge", { n: wrong })} role="img">! {wrong}</span>}</a>)}
        </nav>
        <div className="tools">
          <LiveWord />
          <button className="plain" onClick={() => setLang(lang === "zh" ? "en" : "zh")} lang={lang === "zh" ? "en" : "zh-CN"}>{t("lang.switch")}</button>
          <span className="who">{user.name} · {t(`role.${user.role}`)}</span>
          <button className="plain" onClick={signOut}>{t("nav.signout")}</button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Suspense fallback={<p className="reading">{t("load.reading", { what: "" })}</p>}><Screen path={path} /></Suspense>
      </main>
      <UndoBar />
    </div>
  );
}

/** How much of the gateway itself asks for a look; read anew now and then, and wherever one goes. */
function useTroubles(here: string): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    // That the gateway cannot be reached is said by the live word.
    const read = () => { api.status().then((status) => setCount(troubles(status).length), () => undefined); };
    read();
    const timer = setInterval(read, LOOK_MS);
    return () => clearInterval(timer);
  }, [here]);
  return count;
}

function Screen({ path }: { path: string[] }) {
  const { t } = useI18n();
  const [first, id] = path;
  if (!first) return <Overview />;
  if (first === "sites" && id) return <Site id={id} />;
  if (first === "cases") return id ? <Case id={id} /> : <Cases />;
  if (first === "credit") return <Credit uscc={id ?? null} />;
  if (first === "plan") return <Plan />;
  if (first === "cameras") return id && path[2] ? <Zones site={id} camera={path[2]} /> : <Cameras />;
  if (first === "fleet") return id ? <Agent id={id} /> : <Fleet />;
  if (first === "system") return <System />;
  return <p className="nothing">{t("notfound")} <a href={href()}>{t("notfound.back")}</a></p>;
}

function LiveWord() {
  const { t } = useI18n();
  const { link } = useLive();
  return <span className={`live live-${link}`} role="status">{link === "live" ? t("live.on") : link === "polling" ? t("live.polling", { n: POLL_S }) : t("live.reconnecting")}</span>;
}

function UndoBar() {
  const { t } = useI18n();
  const { message } = AntApp.useApp();
  const pending = usePending();
  useNow(250);
  if (!pending) return null;
  const left = Math.max(1, Math.ceil((pending.sendAt - Date.now()) / 1000));
  return (
    <div className="undo" role="alert">
      <span>{t(`case.pending.${pending.decision}`, { n: left, id: pending.id })}</span>
      <Button onClick={() => { undo(); void message.info(t("case.undone")); }}>{t("case.undo")}</Button>
      <Button type="link" onClick={() => void sendNow()}>{t("case.now")}</Button>
    </div>
  );
}

/** What became of a decision is said wherever the person is by then. */
function useOutcomeMessages() {
  const words = useI18n();
  const { t } = words;
  const { message } = AntApp.useApp();
  useEffect(() => onOutcome(({ decision, error }) => {
    if (!error) void message.success(t(`case.done.${decision}`), 4);
    else { void message.error(refusal(error, words), 8); refresh(); };
  }), [words, t, message]);
}
