// A decision waits five seconds before it is sent, so that it can be undone until it has effect.
// Leaving the page sends it at once: what a person decided is never lost.
import { useSyncExternalStore } from "react";
import { api } from "./api/client.ts";
import type { Checks, GroundName } from "./api/model.ts";

export const UNDO_S = 5;
export interface Pending { id: string; decision: "confirm" | "reject"; reason: string; checks: Checks; ground: GroundName | null; sendAt: number }
export interface Outcome { id: string; decision: "confirm" | "reject"; error: Error | null }

let pending: Pending | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let report: (outcome: Outcome) => void = () => undefined;
const listeners = new Set<() => void>();

function set(next: Pending | null) {
  pending = next;
  clearTimeout(timer);
  if (next) timer = setTimeout(() => void sendNow(), Math.max(0, next.sendAt - Date.now()));
  listeners.forEach((listener) => listener());
}

export function onOutcome(handler: (outcome: Outcome) => void) { report = handler; }

/** A second decision first sends the one that waits. */
export function decideSoon(decision: Omit<Pending, "sendAt">) {
  void sendNow();
  set({ ...decision, sendAt: Date.now() + UNDO_S * 1000 });
}
export function undo() { set(null); }

export async function sendNow(leaving = false) {
  const due = pending;
  if (!due) return;
  set(null);
  try {
    await api.decide(due.id, due.decision, due.reason, due.checks, due.ground, leaving);
    report({ id: due.id, decision: due.decision, error: null });
  } catch (error) {
    report({ id: due.id, decision: due.decision, error: error as Error });
  }
}
addEventListener("pagehide", () => void sendNow(true));

export function usePending(): Pending | null {
  return useSyncExternalStore((listener) => { listeners.add(listener); return () => { listeners.delete(listener); }; }, () => pending);
}
