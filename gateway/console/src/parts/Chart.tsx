// One measured quantity over time: raw line or min/mean/max band, limits, gaps and signals drawn in.
import { useEffect, useRef } from "react";
import { init, use as register, type ComposeOption } from "echarts/core";
import { LineChart, type LineSeriesOption } from "echarts/charts";
import { DataZoomComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, type GridComponentOption, type TooltipComponentOption } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";
import { useI18n, type Key, type Translate } from "../i18n/index.tsx";
import { duration, limit as limitText, number, quantity, tick, time, unitWord, YES_NO } from "../format.ts";
import { holes } from "./holes.ts";
import { gatewayNow } from "../live.ts";
import { rank, type Limit, type Series, type SignalLine } from "../api/model.ts";

register([LineChart, GridComponent, TooltipComponent, MarkLineComponent, MarkAreaComponent, DataZoomComponent, CanvasRenderer]);
type Option = ComposeOption<LineSeriesOption | GridComponentOption | TooltipComponentOption>;
type Limits = Pick<Limit, "rule" | "permitted" | "value">[];
export interface ChartProps { series: Series; label: string; limits: Limits; signals: SignalLine[]; height?: number }

const INK = "#0f5c6e", BAND = "#9cc9d3", LIMIT = "#b3261e", SIGNAL: Record<string, string> = { IV: "rgba(179,38,30,.14)", III: "rgba(201,92,0,.13)", II: "rgba(200,150,0,.14)", I: "rgba(70,100,140,.12)" };

function gapWords(reason: string, t: Translate) {
  const words = t(`quality.${reason}` as Key);
  return t("chart.gap", { why: reason ? words.replace(/^(缺失：|missing: )/, "") : t("chart.gapUnknown") });
}

/** A null after a gap breaks the line: what was not measured is not drawn. */
function broken(rows: [number, number | null][], gaps: Series["gaps"]) {
  const cuts = gaps.map((gap): [number, null] => [(gap.from + gap.to) / 2, null]);
  return [...rows, ...cuts].sort((a, b) => a[0] - b[0]);
}

function lines(props: ChartProps, t: Translate): LineSeriesOption[] {
  const { series } = props;
  const base: LineSeriesOption = { type: "line", symbol: "none", animation: false, connectNulls: false, z: 3, lineStyle: { color: INK, width: 1.6 }, itemStyle: { color: INK } };
  if (series.raw) return [{ ...base, name: t("chart.value"), showSymbol: series.raw.length < 40, symbol: series.raw.length < 40 ? "circle" : "none", symbolSize: 4, data: broken(series.raw.map((p) => [p.at, p.value ?? null]), series.gaps) }];
  const buckets = series.buckets ?? [];
  const at = (b: { from: number; to: number }) => (b.from + b.to) / 2;
  return [
    { ...base, name: t("chart.min"), stack: "band", stackStrategy: "all", z: 1, lineStyle: { opacity: 0 }, data: broken(buckets.map((b) => [at(b), b.min]), series.gaps) },
    { ...base, name: t("chart.range"), stack: "band", stackStrategy: "all", z: 1, lineStyle: { opacity: 0 }, areaStyle: { color: BAND, opacity: 0.55 }, data: broken(buckets.map((b) => [at(b), b.max - b.min]), series.gaps) },
    { ...base, name: t("chart.mean"), data: broken(buckets.map((b) => [at(b), b.mean]), series.gaps) },
  ];
}

/** Signals whose word is drawn: where words would stand on each other, the gravest keeps its own. */
function worded(signals: SignalLine[], at: (s: SignalLine) => number, near: number) {
  const kept: SignalLine[] = [];
  for (const s of [...signals].sort((a, b) => rank(b.severity) - rank(a.severity))) {
    if (!kept.some((k) => Math.abs(at(k) - at(s)) < near)) kept.push(s);
  }
  return kept;
}

function marks(props: ChartProps, t: Translate): Partial<LineSeriesOption> {
  const { series, limits, signals } = props;
  const inside = (from: number, to: number) => to > series.from && from < series.to;
  const clamp = (at: number) => Math.min(Math.max(at, series.from), series.to);
  const shown = signals.filter((s) => inside(s.opened_at, s.closed_at ?? Infinity));
  const words = worded(shown, (s) => clamp(s.opened_at), (series.to - series.from) * 0.15);
  const wide = (gap: { from: number; to: number }) => gap.to - gap.from > (series.to - series.from) * 0.08;
  return {
    markLine: {
      silent: true, symbol: "none", animation: false, precision: 6,
      data: limits.map((l) => ({ yAxis: l.value, lineStyle: { color: LIMIT, type: "dashed", width: 1.4 }, label: { position: "insideStartTop", color: LIMIT, formatter: `${t("chart.limit", { text: limitText(l.permitted, l.value, series.unit, t) })} ${l.rule}` } })),
    },
    markArea: {
      silent: true, animation: false,
      data: [
        ...series.gaps.filter((gap) => inside(gap.from, gap.to)).map((gap) => [
          { xAxis: clamp(gap.from), itemStyle: { color: "rgba(90,100,110,.13)" }, label: { show: wide(gap), formatter: gapWords(gap.reason, t), color: "#56606b", position: "insideBottom", fontSize: 11, width: 120, overflow: "break" } }, { xAxis: clamp(gap.to) }]),
        ...shown.map((s) => [
          { xAxis: clamp(s.opened_at), itemStyle: { color: SIGNAL[s.severity] }, label: { show: words.includes(s), formatter: t(`sev.${s.severity}`), color: "#48341f", position: clamp(s.opened_at) > series.to - (series.to - series.from) * 0.15 ? "insideTopRight" : "insideTopLeft", fontSize: 11 } }, { xAxis: clamp(s.closed_at ?? gatewayNow()) }]),
      ] as never,
    },
  };
}

function option(props: ChartProps, t: Translate): Option {
  const { series, limits } = props;
  const span = series.to - series.from, isYesNo = series.unit === YES_NO;
  const drawn = lines(props, t);
  const last = drawn.length - 1;
  drawn[last] = { ...drawn[last], ...marks(props, t) };
  const at = (ms: number) => { const gap = series.gaps.find((g) => ms >= g.from && ms < g.to); return gap ? gapWords(gap.reason, t) : null; };
  return {
    grid: { left: 4, right: 14, top: 12, bottom: 4, containLabel: true },
    tooltip: {
      trigger: "axis", confine: true, transitionDuration: 0,
      formatter: (items) => {
        const list = Array.isArray(items) ? items : [items];
        const ms = Number((list[0]?.value as number[] | undefined)?.[0] ?? 0);
        const gap = at(ms);
        if (gap) return `${time(ms)}<br/>${gap}`;
        if (series.raw) {
          const p = series.raw[nearest(series.raw, ms)];
          return p ? `${time(p.at)}<br/><b>${quantity(p.value, series.unit, t)}</b>  ${t(`quality.${p.quality}` as Key)}` : "";
        }
        const b = series.buckets?.find((x) => ms >= x.from && ms < x.to);
        return b ? `${time(b.from)}<br/>${t("chart.max")} ${quantity(b.max, series.unit, t)}<br/>${t("chart.mean")} <b>${quantity(b.mean, series.unit, t)}</b><br/>${t("chart.min")} ${quantity(b.min, series.unit, t)}<br/>${t("chart.count", { n: b.count })}` : "";
      },
    },
    xAxis: { type: "time", min: series.from, max: series.to, axisLabel: { formatter: (ms: number) => tick(ms, span), hideOverlap: true, color: "#56606b" }, axisLine: { onZero: false, lineStyle: { color: "#aab3bb" } }, splitLine: { show: false } },
    yAxis: {
      type: "value", scale: true, splitNumber: 4, splitLine: { lineStyle: { color: "#eceff1" } },
      axisLabel: { showMinLabel: isYesNo, showMaxLabel: isYesNo, color: "#56606b", formatter: (v: number) => (isYesNo ? quantity(v, YES_NO, t) : number(v)) },
      ...(isYesNo ? { min: 0, max: 1, interval: 1 } : { min: (v: { min: number; max: number }) => pad(v, limits, -1), max: (v: { min: number; max: number }) => pad(v, limits, 1) }),
    },
    dataZoom: [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: true }],
    series: drawn,
  };
}

/** The limit line is always in view, with some air above and below. */
function pad(v: { min: number; max: number }, limits: Limits, side: -1 | 1) {
  const all = [v.min, v.max, ...limits.map((l) => l.value)].filter(Number.isFinite);
  const low = Math.min(...all), high = Math.max(...all), air = (high - low || 1) * 0.08;
  const edge = side < 0 ? low - air : high + air;
  const step = 10 ** Math.floor(Math.log10(high - low || 1) - 1);
  return side < 0 ? Math.floor(edge / step) * step : Math.ceil(edge / step) * step;
}
function nearest(points: { at: number }[], ms: number) {
  let best = 0;
  points.forEach((p, i) => { if (Math.abs(p.at - ms) < Math.abs((points[best]?.at ?? 0) - ms)) best = i; });
  return best;
}

/** The same in words, for those who cannot see the picture and for those in a hurry. */
function Words({ series }: { series: Series }) {
  const { t, lang } = useI18n();
  const values = series.raw ? series.raw.map((p) => p.value).filter((v): v is number => v != null) : (series.buckets ?? []).map((b) => b.mean);
  if (!values.length) return <p className="muted small">{t("chart.empty")}</p>;
  const low = series.buckets ? Math.min(...series.buckets.map((b) => b.min)) : Math.min(...values);
  const high = series.buckets ? Math.max(...series.buckets.map((b) => b.max)) : Math.max(...values);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const first = series.buckets?.[0];
  const how = first ? t("chart.buckets", { every: duration(first.to - first.from, t) }) : t("chart.raw");
  const words = [how, `${t("chart.min")} ${quantity(low, series.unit, t)}`, `${t("chart.mean")} ${quantity(mean, series.unit, t)}`, `${t("chart.max")} ${quantity(high, series.unit, t)}`];
  if (series.gaps.length) words.push(t("chart.missing", { n: series.gaps.length }));
  return <p className="muted small num">{t("chart.time")}{lang === "zh" ? "；" : "; "}{words.join(lang === "zh" ? "，" : ", ")}</p>;
}

export default function Chart(given: ChartProps) {
  const props = { ...given, series: { ...given.series, gaps: [...given.series.gaps, ...holes(given.series, gatewayNow())] } };
  const { t } = useI18n();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ReturnType<typeof init> | null>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    chart.current = init(element, null, { renderer: "canvas" });
    const watch = new ResizeObserver(() => chart.current?.resize());
    watch.observe(element);
    return () => { watch.disconnect(); chart.current?.dispose(); chart.current = null; };
  }, []);
  useEffect(() => { chart.current?.setOption(option(props, t), { replaceMerge: ["series"] }); });
  return (
    <figure className="chart">
      <h3>{props.label} <span className="unit">{unitWord(props.series.unit, t)}</span></h3>
      <div ref={place} style={{ height: props.height ?? 240 }} role="img" aria-label={props.label} data-chart />
      <figcaption><Words series={props.series} /></figcaption>
    </figure>
  );
}
