// What the screens show. Wire types (schema.d.ts) become these in client.ts and nowhere else.
import type { Text } from "../i18n/index.tsx";

export type Severity = "I" | "II" | "III" | "IV";
export const SEVERITIES: Severity[] = ["IV", "III", "II", "I"];
export const rank = (severity: Severity) => 4 - SEVERITIES.indexOf(severity);
export type Role = "inspector" | "reviewer" | "admin";
export type Domain = "food" | "environment" | "safety";

export interface User { user: string; name: string; role: Role }

export type SiteStatus = "live" | "quiet" | "offline" | "never";
export interface SiteLine {
  id: string; name: Text; address: string; business: Business; domains: Domain[];
  status: SiteStatus; last_reading_at: number | null;
  open: Record<Severity, number>; agents_online: number; agents: number;
}
export interface Business { uscc: string; name: string }
export interface Overview { now: number; sites: SiteLine[] }

export interface Limit { rule: string; permitted: string; value: number; severity: Severity; text: Text; standard: string; clause: string }
export interface PointLine {
  device: string; name: string; label: Text; unit: string;
  value: number | null; quality: string; at: number | null; limits: Limit[];
}
export interface Fitness { fit: boolean; reasons: Text[]; certificate: string | null; valid_to: number | null; legal_review: string | null; technical_review: string | null; sign: string | null; published_at: number | null }
export interface DeviceLine { id: string; name: Text; kind: string; location: string; fitness: Fitness }
export interface SignalLine {
  id: string; rule: string; title: Text; severity: Severity; device: string; point: string; point_label: Text;
  opened_at: number; closed_at: number | null; measured: number | null; permitted: string | null; limit: number | null; unit: string; case: string | null;
}
export interface SitePage { now: number; site: SiteLine; devices: DeviceLine[]; points: PointLine[]; signals: SignalLine[] }

export interface RawPoint { at: number; value: number | null; quality: string }
export interface Bucket { from: number; to: number; min: number; mean: number; max: number; count: number }
export interface Gap { from: number; to: number; reason: string }
export interface Series { from: number; to: number; unit: string; raw: RawPoint[] | null; buckets: Bucket[] | null; gaps: Gap[] }

export type CaseState = "open" | "taken" | "confirmed" | "rejected";
export interface CaseLine {
  id: string; site: string; site_name: Text; business: Business; severity: Severity; state: CaseState;
  title: Text; rule: string; opened_at: number; ended_at: number | null; due_at: number | null;
  measured: number | null; permitted: string | null; limit: number | null; unit: string; fit: boolean;
}
export interface RuleText { id: string; version: string; text: Text; standard: string; clause: string; averaging_s: number | null; dwell_s: number | null; model: string | null }
export interface Decision { decision: "confirm" | "reject"; by: string; at: number; reason: string }
export interface Evidence { id: string; digest: string; sealed_at: number }
export interface CasePage extends CaseLine {
  now: number; device: DeviceLine; point: string; point_label: Text; rules: RuleText[]; signals: SignalLine[]; score: number | null;
  history: { id: string; at: number; state: CaseState; title: Text; reason: string }[];
  innocent: Text[]; blockers: Text[]; taken_by: string | null; taken_at: number | null;
  decision: Decision | null; evidence: Evidence | null; window_from: number; window_to: number;
}
export interface Checks { true: boolean; complete: boolean; clear: boolean; accurate: boolean }

export type EntryStatus = "notified" | "in_force" | "under_objection" | "corrected" | "withdrawn" | "repaired" | "expired";
export type CreditAction = "objection" | "in_force" | "uphold" | "correct" | "withdraw" | "repair";
export interface CreditEntry {
  id: string; case: string; title: Text; severity: Severity; occurred_at: number; recorded_at: number; public_until: number | null;
  status: EntryStatus; timeline: { status: EntryStatus; at: number; by: string; reason: string }[];
  deliveries: { at: number; attempt: number; outcome: "delivered" | "failed" | "refused" | "waiting"; answer: string }[];
}
export interface CreditPage {
  business: Business; grade: "A" | "B" | "C" | "D"; score: number | null; explanation: { text: Text; points: number | null }[]; entries: CreditEntry[];
}

export interface VisitItem { id: string; text: Text; departments: string[]; proved_since: number | null; proved_by: Text | null; due_at: number | null }
export interface Visit {
  site: string; site_name: Text; address: string; business: Business; grade: string; why: Text[];
  findings: { case: string; title: Text; severity: Severity; state: CaseState }[]; items: VisitItem[];
}
export interface Plan { day: number; visits: Visit[]; separate: number }
