// Footage and cameras as the gateway says them.
import type { Text } from "../i18n/index.tsx";

export type Role = "before" | "still" | "after" | "clip" | "detections" | "original";
export interface FootagePart { role: Role; sha256: string; bytes: number; media_type: string; from?: number | null; to?: number | null; frames: number; holes: number[][]; state: "here" | "coming" | "at_site" | "wanted" | "deleted" | "refused" }
export interface PictureModel { name: string; sha256: string }
export interface Viewer { who: string; first_at: number; last_at: number; times: number }
export interface Unmasking { reason: string; asked_by: string; asked_at: number; approvals: { who: string; at: number }[]; state: "asked" | "approved" | "here" }
export interface Footage {
  id: string; site: string; camera: string; camera_name: Text; occasion: "sighting" | "overview" | "unknown"; point?: string | null; zone: string; at: number; cut_at?: number | null; received_at: number;
  not_taken?: Text | null; models: PictureModel[]; masked_by: PictureModel[]; parts: FootagePart[]; viewers: Viewer[]; unmasking?: Unmasking | null; cases: string[];
}
export interface SeeingRule {
  rule: string; version: number; title: Text; point: string; models: PictureModel[]; confirmed: number; set_aside: number; precision?: number | null; precision_min: number; decided_min: number;
  is_shadow: boolean; shadow_signals: number; camera_days: number; false_alarms: number; false_alarms_per_day?: number | null;
}
export interface Camera { site: string; id: string; name: Text; purpose: string; sign: string; location: string; published: string; missing: Text[]; overview?: string | null; rules: SeeingRule[] }
