// One event stream for the whole console. When it breaks, screens are refreshed by a timer, and a word says so.
import { useEffect, useState } from "react";

export type Link = "live" | "reconnecting" | "polling";
export const POLL_S = 10;
const NAMES = ["overview", "site", "reading", "readings", "signal", "signals", "case", "cases", "credit", "delivery", "plan", "tick", "change"];

let version = 0;
let link: Link = "reconnecting";
const listeners = new Set<() => void>();
const announce = () => listeners.forEach((listener) => listener());
let source: EventSource | null = null;
let poll: ReturnType<typeof setInterval> | undefined;
let due: ReturnType<typeof setTimeout> | undefined;
let failures = 0;

function set(next: Link) {
  if (next !== link) { link = next; announce(); }
}
/** Many events close together cause one refresh. */
function bump() {
  if (due) return;
  due = setTimeout(() => { due = undefined; version += 1; announce(); }, 700);
}

function connect() {
  source?.close();
  source = new EventSource("/api/events");
  source.onopen = () => { failures = 0; clearInterval(poll); poll = undefined; set("live"); bump(); };
  source.onmessage = bump;
  for (const name of NAMES) source.addEventListener(name, bump);
  source.onerror = () => {
    failures += 1;
    set(failures > 2 ? "polling" : "reconnecting");
    poll ??= setInterval(bump, POLL_S * 1000);
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => { if (source?.readyState === EventSource.CLOSED) connect(); }, 5000);
  };
}

/** Start when someone is signed in; returns how to stop. */
export function startLive(): () => void {
  connect();
  return () => { source?.close(); source = null; clearInterval(poll); poll = undefined; };
}

/** Something here has just changed the records: refresh now. */
export function refresh() { version += 1; announce(); }

export function useLive(): { version: number; link: Link } {
  const [state, setState] = useState({ version, link });
  useEffect(() => {
    const listener = () => setState({ version, link });
    listeners.add(listener);
    listener();
    return () => { listeners.delete(listener); };
  }, []);
  return state;
}

let skew = 0;
/** The gateway's clock, learnt from its answers: ages are right even where this device's clock is not. */
export function learnClock(now: number) { skew = now - Date.now(); }
export const gatewayNow = () => Date.now() + skew;

export function useNow(every = 1000): number {
  const [now, setNow] = useState(gatewayNow);
  useEffect(() => {
    const timer = setInterval(() => setNow(gatewayNow()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
