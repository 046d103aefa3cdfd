// What the screens show: the gateway's own types, by the names the screens use.
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Severity = Schemas["Severity"];
export const SEVERITIES: Severity[] = ["IV", "III", "II", "I"];
export const rank = (severity: Severity) => 4 - SEVERITIES.indexOf(severity);
export type Act = Schemas["Act"];
export type User = Schemas["UserView"];
export type SiteLine = Schemas["SiteLine"];
export type Overview = Schemas["Overview"];
export type Limit = Schemas["LimitView"];
export type PointLine = Schemas["PointLine"];
export type DeviceLine = Schemas["DeviceLine"];
export type SignalLine = Schemas["SignalLine"];
export type SitePage = Schemas["SitePage"];
export type Series = Schemas["SeriesView"];
export type CaseState = Schemas["State"];
export type CaseLine = Schemas["CaseLine"];
export type CasePage = Schemas["CasePage"];
export type Checks = Schemas["Checks"];
export type EntryStatus = Schemas["Status"];
export type CreditAction = Schemas["Action"];
export type CreditEntry = Schemas["EntryView"];
export type CreditPage = Schemas["CreditPage"];
export type BusinessLine = Schemas["BusinessLine"];
export type VisitItem = Schemas["VisitItem"];
export type Visit = Schemas["VisitView"];
export type Plan = Schemas["PlanView"];
