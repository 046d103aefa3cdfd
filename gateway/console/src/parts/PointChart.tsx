// A chart that reads its own series. The drawing code is fetched only when a chart is shown.
import { lazy, Suspense } from "react";
import { useI18n } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import { isYesNo } from "../footage/words.ts";
import { YES_NO } from "../format.ts";
import { Loading, useLoad } from "./load.tsx";
import { gatewayNow } from "../live.ts";
import type { Limit, SignalLine } from "../api/model.ts";

const Chart = lazy(() => import("./Chart.tsx"));

export interface PointChartProps {
  site: string; device: string; point: string; label: string; signals: SignalLine[]; limits: Pick<Limit, "rule" | "permitted" | "value">[];
  /** Either a span that ends now, or a fixed window. */
  span?: number; from?: number; to?: number; height?: number;
}

export function PointChart(props: PointChartProps) {
  const { t } = useI18n();
  const { site, device, point, span, from, to } = props;
  const buckets = innerWidth < 600 ? 180 : 400;
  const series = useLoad(() => {
    const end = span ? gatewayNow() : (to ?? gatewayNow());
    return api.series(site, device, point, span ? end - span : (from ?? end - 3600_000), end, buckets);
  }, [site, device, point, span, from, to]);
  const waiting = <p className="reading" style={{ minHeight: props.height ?? 240 }}>{t("load.reading", { what: t("what.series") })}</p>;
  return (
    <Loading of={series} what="what.series">
      {(data) => <Suspense fallback={waiting}><Chart series={isYesNo(point) ? { ...data, unit: YES_NO } : data} label={props.label} limits={isYesNo(point) ? [] : props.limits} signals={props.signals.filter((s) => s.device === device && s.point === point)} height={props.height} /></Suspense>}
    </Loading>
  );
}
