// Sign in: two fields, and words for what went wrong.
import { useState } from "react";
import { Alert, Button, Form, Input } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api, Refused } from "../api/client.ts";
import { refusal } from "../parts/load.tsx";
import type { User } from "../api/model.ts";

export function SignIn({ expired, onSignedIn }: { expired: boolean; onSignedIn: (user: User) => void }) {
  const words = useI18n();
  const { t, lang, setLang } = words;
  const [problem, setProblem] = useState<string | null>(expired ? t("signin.expired") : null);
  const [busy, setBusy] = useState(false);
  const submit = async ({ user, password }: { user: string; password: string }) => {
    setBusy(true);
    try { onSignedIn(await api.signIn(user, password)); }
    catch (error) { setProblem(error instanceof Refused ? (error.status === 401 ? t("signin.wrong") : refusal(error, words)) : t("signin.unreachable")); }
    finally { setBusy(false); }
  };
  return (
    <main className="signin">
      <section>
        <h1><img src="./icon.svg" alt="" width="30" height="30" />{t("app.name")}</h1>
        <p className="muted">{t("signin.purpose")}</p>
        {problem && <Alert type="error" showIcon={false} message={problem} />}
        <Form layout="vertical" requiredMark={false} onFinish={submit} disabled={busy}>
          <Form.Item name="user" label={t("signin.user")} rules={[{ required: true, message: t("signin.needUser") }]}><Input autoFocus autoComplete="username" size="large" /></Form.Item>
          <Form.Item name="password" label={t("signin.password")} rules={[{ required: true, message: t("signin.needPassword") }]}><Input.Password autoComplete="current-password" size="large" /></Form.Item>
          <Button type="primary" htmlType="submit" size="large" block>{t("signin.go")}</Button>
        </Form>
        <button className="plain" onClick={() => setLang(lang === "zh" ? "en" : "zh")}>{t("lang.switch")}</button>
      </section>
    </main>
  );
}
