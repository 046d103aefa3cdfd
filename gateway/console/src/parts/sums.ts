// What became of the readings of a day, as parts of a bar and of a sum. Pure.
import type { Balance } from "../api/model.ts";

export type Side = "in_time" | "late" | "missing" | "silent";
export interface Piece { side: Side; count: number }

export const missingOf = (balance: Balance) => balance.missing.reduce((sum, m) => sum + m.count, 0);

/** What came and what did not, in the order of the bar. */
export function pieces(balance: Balance): Piece[] {
  return [
    { side: "in_time", count: balance.in_time },
    { side: "late", count: balance.late },
    { side: "missing", count: missingOf(balance) },
    { side: "silent", count: balance.silent },
  ];
}

/** Whether expected + extra is what came and what did not; if it is not, the gateway has a defect and the screen says so. */
export function balances(balance: Balance): boolean {
  return balance.expected + balance.extra === pieces(balance).reduce((sum, p) => sum + p.count, 0);
}

/** A share in percent that never rounds up to whole: `99.9 %` while anything is missing. */
export function percent(share: number): string {
  const tenths = Math.floor(share * 1000 + 1e-9);
  return `${tenths % 10 === 0 ? tenths / 10 : (tenths / 10).toFixed(1)} %`;
}

/** From this share on nobody has to look. */
export const ENOUGH = 0.98;
