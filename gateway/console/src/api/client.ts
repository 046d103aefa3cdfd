// The gateway, as the screens see it. Paths, parameters and answers are checked against openapi.json by the compiler.
import createClient from "openapi-fetch";
import type { Text } from "../i18n/index.tsx";
import { learnClock, refresh } from "../live.ts";
import type { Checks, Correction, CreditAction, FootagePart, GroundName, NewConfiguration, OrderAction } from "./model.ts";
import type { paths } from "./schema.d.ts";

/** What the gateway refused, in its own words. */
export class Refused extends Error {
  constructor(readonly status: number, line: string, readonly words?: Text, readonly fix?: Text) { super(line); }
}

let onSignedOut: () => void = () => undefined;
/** Called when the gateway no longer knows the session. */
export function whenSignedOut(handler: () => void) { onSignedOut = handler; }

const client = createClient<paths>({ credentials: "same-origin" });

/** The answer, or what was refused. `error` is empty for refusals that the description does not list. */
async function told<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  if (response.status === 401 && !response.url.endsWith("/api/session")) onSignedOut();
  const said = error as { error?: string; message?: Text; fix?: Text } | undefined;
  throw new Refused(response.status, said?.error ?? `HTTP ${response.status}`, said?.message, said?.fix);
}
async function clocked<T extends { now: number }>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const page = await told(asked);
  learnClock(page.now);
  return page;
}

/** The bytes of an answer, exactly as many as were announced. */
async function bytesOf(stream: ReadableStream<Uint8Array>, announced: number, got: (bytes: number) => void): Promise<Uint8Array> {
  const bytes = new Uint8Array(announced), reader = stream.getReader();
  for (let at = 0; ;) {
    const { done, value } = await reader.read();
    if (done) { if (at !== announced) throw new Lengthy(at, announced); return bytes; }
    if (at + value.length > announced) { void reader.cancel(); throw new Lengthy(at + value.length, announced); }
    bytes.set(value, at);
    got(at += value.length);
  }
}
/** A file that is shorter or longer than its manifest says. */
export class Lengthy extends Error {
  constructor(readonly got: number, readonly announced: number) { super(`${got} bytes, announced ${announced}`); }
}

export const api = {
  whoami: () => told(client.GET("/api/session")),
  signIn: (user: string, password: string) => told(client.POST("/api/session", { body: { user, password } })),
  signOut: () => told(client.DELETE("/api/session")),
  overview: () => clocked(client.GET("/api/overview")),
  site: (site: string) => clocked(client.GET("/api/sites/{site}", { params: { path: { site } } })),
  series: (site: string, device: string, point: string, from: number, to: number, buckets: number) =>
    told(client.GET("/api/series", { params: { query: { site, device, point, from: Math.round(from), to: Math.round(to), buckets } } })),
  cases: () => told(client.GET("/api/cases")),
  case: (id: string) => clocked(client.GET("/api/cases/{id}", { params: { path: { id } } })),
  take: async (id: string) => { await told(client.POST("/api/cases/{id}/take", { params: { path: { id } } })); refresh(); },
  decide: async (id: string, decision: "confirm" | "reject", reason: string, checks: Checks, ground: GroundName | null, keepalive: boolean) => {
    await told(client.POST("/api/cases/{id}/decision", { params: { path: { id } }, body: { decision, reason, checks, ground }, keepalive }));
    refresh();
  },
  businesses: () => told(client.GET("/api/businesses")),
  credit: (uscc: string) => told(client.GET("/api/businesses/{uscc}/credit", { params: { path: { uscc } } })),
  creditAction: async (id: string, action: CreditAction, reason: string, correction: Correction | null) => {
    await told(client.POST("/api/credit/{id}/{action}", { params: { path: { id, action } }, body: { reason, correction } }));
    refresh();
  },
  plan: () => told(client.GET("/api/inspection/plan")),
  fleet: () => clocked(client.GET("/api/fleet")),
  fleetAgent: (agent: string) => clocked(client.GET("/api/fleet/{agent}", { params: { path: { agent } } })),
  orders: (agent: string) => told(client.GET("/api/agents/{agent}/control", { params: { path: { agent } } })),
  order: async (agent: string, device: string, action: OrderAction, reason: string) => {
    await told(client.POST("/api/agents/{agent}/control", { params: { path: { agent } }, body: { device, action, reason } }));
    refresh();
  },
  configuration: (agent: string) => told(client.GET("/api/agents/{agent}/configuration", { params: { path: { agent } } })),
  configure: async (agent: string, body: NewConfiguration) => { await told(client.POST("/api/agents/{agent}/configuration", { params: { path: { agent } }, body })); refresh(); },
  footage: (query: { site?: string; camera?: string; case?: string; limit?: number }) => told(client.GET("/api/footage", { params: { query } })),
  oneFootage: (id: string) => told(client.GET("/api/footage/{id}", { params: { path: { id } } })),
  /** A part of footage; what has come of it is told to `got`. The gateway puts on record that it was fetched. */
  part: async (id: string, part: FootagePart, got: (bytes: number) => void, signal: AbortSignal) =>
    bytesOf(await told<unknown>(client.GET("/api/footage/{id}/parts/{role}", { params: { path: { id, role: part.role } }, parseAs: "stream", signal })) as ReadableStream<Uint8Array>, part.bytes, got),
  partUrl: (id: string, role: FootagePart["role"]) => `/api/footage/${encodeURIComponent(id)}/parts/${role}`,
  unmask: async (id: string, reason: string) => { await told(client.POST("/api/footage/{id}/unmask", { params: { path: { id } }, body: { reason } })); refresh(); },
  refuseUnmasking: async (id: string, reason: string) => { await told(client.POST("/api/footage/{id}/unmask/refuse", { params: { path: { id } }, body: { reason } })); refresh(); },
  withdrawUnmasking: async (id: string, reason: string) => { await told(client.POST("/api/footage/{id}/unmask/withdraw", { params: { path: { id } }, body: { reason } })); refresh(); },
  approveUnmasking: async (id: string) => { await told(client.POST("/api/footage/{id}/unmask/approve", { params: { path: { id } } })); refresh(); },
  cameras: (site?: string) => told(client.GET("/api/cameras", { params: { query: { site } } })),
  status: () => clocked(client.GET("/api/status")),
  bundleUrl: (id: string) => `/api/evidence/${encodeURIComponent(id)}/bundle`,
};
