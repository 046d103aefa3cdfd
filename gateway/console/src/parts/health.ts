// What somebody who keeps the gateway must look at, out of its status. Pure.
import type { Part, SystemStatus } from "../api/model.ts";

/** A follower is never quite at the head while readings come in; up to so many blocks it counts as up to date. */
export const LAG = 20;
/** InfluxDB is sent up to 5,000 lines at a time, which may be as many blocks; only beyond two such requests it falls behind. */
export const INFLUX_LAG = 10_000;
/** What was refused longer ago asks for nobody any more. */
const RECENT = 86_400_000;

export type PartName = "series" | "rules" | "scoring" | "influx";
export type Standing = Part["state"] | "behind";
export interface PartLine { name: PartName; standing: Standing; behind: number; why?: string | null; fix?: string | null }
export type Trouble = PartName | "agents" | "refused";

export function parts(status: SystemStatus): PartLine[] {
  const line = (name: PartName, part: Part, at?: number | null): PartLine => {
    const behind = at == null ? 0 : Math.max(0, status.journal - at);
    return { name, standing: part.state === "works" && behind > (name === "influx" ? INFLUX_LAG : LAG) ? "behind" : part.state, behind, why: part.why, fix: part.fix };
  };
  return [
    line("series", status.series_part, status.series),
    line("rules", { state: "works" }, status.detect),
    line("scoring", status.scoring_part),
    line("influx", status.influx_part, status.influx),
  ];
}

/** What does not go as it should; a sender that was only asked to send again is no trouble. */
export function troubles(status: SystemStatus): Trouble[] {
  const found: Trouble[] = parts(status).filter((p) => p.standing !== "works" && p.standing !== "off").map((p) => p.name);
  if (status.agents.some((a) => a.state === "offline")) found.push("agents");
  if (status.refused_by_reason.some((r) => !r.sent_again && status.now - r.last_at < RECENT)) found.push("refused");
  return found;
}
