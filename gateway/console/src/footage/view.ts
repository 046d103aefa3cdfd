// Footage and cameras as the gateway says them.
import type { Text } from "../i18n/index.tsx";

export type Role = "before" | "still" | "after" | "clip" | "detections" | "original";
export interface FootagePart { role: Role; sha256: string; bytes: number; media_type: string; from: number | null; to: number | null; frames: number; holes: [number, number][]; state: "here" | "coming" | "at_site" | "wanted" }
export interface ModelUsed { name: string; sha256: string }
export interface Viewer { who: string; first_at: number; last_at: number; times: number }
export interface Unmasking { reason: string; asked_by: string; asked_at: number; approvals: { who: string; at: number }[]; state: "asked" | "approved" | "here" }
export interface Footage {
  id: string; site: string; camera: string; camera_name: Text; occasion: "sighting" | "overview"; point?: string | null; zone?: string | null; at: number; cut_at: number; received_at: number;
  refusal?: Text | null; models: ModelUsed[]; masked_by: ModelUsed[]; parts: FootagePart[]; viewers: Viewer[]; unmasking?: Unmasking | null;
}
