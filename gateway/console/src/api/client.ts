// The gateway, as the screens see it. Every path of the API that the console uses is in this file.
import type { Text } from "../i18n/index.tsx";
import { learnClock, refresh } from "../live.ts";
import type { Business, CaseLine, CasePage, Checks, CreditAction, CreditPage, Overview, Plan, Series, SitePage, User } from "./model.ts";

/** What the gateway refused, in its own words. */
export class Refused extends Error {
  constructor(readonly status: number, line: string, readonly words: Text | null | undefined = null, readonly fix: Text | null | undefined = null) { super(line); }
}

let onSignedOut: () => void = () => undefined;
/** Called when the gateway no longer knows the session. */
export function whenSignedOut(handler: () => void) { onSignedOut = handler; }

async function call<T>(path: string, method = "GET", body?: unknown, keepalive = false): Promise<T> {
  const response = await fetch(path, {
    method, keepalive, credentials: "same-origin",
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  let value: unknown;
  try { value = text ? JSON.parse(text) : undefined; } catch { value = undefined; }
  if (!response.ok) {
    if (response.status === 401 && path !== "/api/session") onSignedOut();
    const refused = value as { error?: string; message?: Text; fix?: Text } | undefined;
    throw new Refused(response.status, refused?.error ?? `HTTP ${response.status}`, refused?.message, refused?.fix);
  }
  return value as T;
}

async function clocked<T extends { now: number }>(path: string): Promise<T> {
  const page = await call<T>(path);
  learnClock(page.now);
  return page;
}
const seg = encodeURIComponent;

export interface BusinessLine extends Business { grade: CreditPage["grade"]; entries: number }

export const api = {
  whoami: () => call<User>("/api/session"),
  signIn: (user: string, password: string) => call<User>("/api/session", "POST", { user, password }),
  signOut: () => call<void>("/api/session", "DELETE"),
  overview: () => clocked<Overview>("/api/overview"),
  site: (id: string) => clocked<SitePage>(`/api/sites/${seg(id)}`),
  series: (site: string, device: string, point: string, from: number, to: number, buckets: number) =>
    call<Series>(`/api/series?${new URLSearchParams({ site, device, point, from: String(from), to: String(to), buckets: String(buckets) })}`),
  cases: () => call<CaseLine[]>("/api/cases"),
  case: (id: string) => clocked<CasePage>(`/api/cases/${seg(id)}`),
  take: async (id: string) => { await call(`/api/cases/${seg(id)}/take`, "POST", {}); refresh(); },
  decide: async (id: string, decision: "confirm" | "reject", reason: string, checks: Checks, keepalive: boolean) => {
    await call(`/api/cases/${seg(id)}/decision`, "POST", { decision, reason, checks }, keepalive);
    refresh();
  },
  businesses: () => call<BusinessLine[]>("/api/businesses"),
  credit: (uscc: string) => call<CreditPage>(`/api/businesses/${seg(uscc)}/credit`),
  creditAction: async (id: string, action: CreditAction, reason: string) => { await call(`/api/credit/${seg(id)}/${action}`, "POST", { reason }); refresh(); },
  plan: () => call<Plan>("/api/inspection/plan"),
  bundleUrl: (id: string) => `/api/evidence/${seg(id)}/bundle`,
};
