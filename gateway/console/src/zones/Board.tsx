// The picture on which zones are drawn: corners by mouse, touch or keyboard.
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";
import { useI18n } from "../i18n/index.tsx";
import { corner, middle, moved, movedCorner, withMiddle, withoutCorner, type Corner } from "./polygon.ts";
import type { Zone } from "./toml.ts";

const STEP = 0.005, BIG_STEP = 0.05;
/** A second click this near to the last corner adds none: it is the other half of a double click. */
const NEAR = 0.01;
const ARROWS: Record<string, Corner> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const points = (corners: Corner[]) => corners.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" ");
const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
const place = ([x, y]: Corner) => ({ left: `${x * 100}%`, top: `${y * 100}%` });

export interface BoardProps {
  picture: ReactNode; zones: Zone[]; selected: number | null; onSelect: (zone: number) => void; onPolygon: (zone: number, corners: Corner[]) => void;
  /** Corners of a zone that is being drawn; null while none is. */
  draft: Corner[] | null; onDraft: (corners: Corner[]) => void; onDone: () => void; onCancel: () => void;
}

export function Board(props: BoardProps) {
  const { t } = useI18n();
  const { zones, selected, draft } = props;
  const board = useRef<HTMLDivElement>(null);
  const grip = useRef<{ zone: number; from: Corner; corners: Corner[] } | null>(null);
  const [cross, setCross] = useState<Corner>([0.5, 0.5]);
  const isDrawing = draft != null;
  useEffect(() => { if (isDrawing) { setCross([0.5, 0.5]); board.current?.focus(); } }, [isDrawing]);
  const at = (event: PointerEvent): Corner => {
    const box = board.current!.getBoundingClientRect();
    return corner((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  const add = (next: Corner) => {
    const last = draft!.at(-1);
    if (!last || Math.abs(last[0] - next[0]) > NEAR || Math.abs(last[1] - next[1]) > NEAR) props.onDraft([...draft!, next]);
  };
  const press = (event: KeyboardEvent) => {
    if (!draft) return;
    const arrow = ARROWS[event.key], step = event.shiftKey ? BIG_STEP : STEP * 2;
    if (arrow) setCross(([x, y]) => corner(x + arrow[0] * step, y + arrow[1] * step));
    else if (event.key === "Enter") add(cross);
    else if (event.key === "Backspace") props.onDraft(draft.slice(0, -1));
    else if (event.key === "Escape") props.onCancel();
    else return;
    event.preventDefault();
  };
  const drag = (event: PointerEvent) => {
    if (draft) return setCross(at(event));
    if (!grip.current) return;
    const { zone, from, corners } = grip.current, to = at(event);
    props.onPolygon(zone, moved(corners, to[0] - from[0], to[1] - from[1]));
  };
  return (
    <div ref={board} className={draft ? "board drawing" : "board"} data-board tabIndex={draft ? 0 : -1} role={draft ? "application" : "group"} aria-label={t("zone.board")} onKeyDown={press}
      onPointerDown={(event) => { if (draft && event.button === 0) { setCross(at(event)); add(at(event)); } }} onPointerMove={drag} onPointerUp={() => { grip.current = null; }} onPointerCancel={() => { grip.current = null; }} onDoubleClick={() => { if (draft) props.onDone(); }}>
      {props.picture}
      <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">
        {zones.map((zone, i) => <polygon key={i} points={points(zone.polygon)} className={i === selected ? "zone chosen" : "zone"}
          onPointerDown={(event) => { if (draft) return; props.onSelect(i); grip.current = { zone: i, from: at(event), corners: zone.polygon }; event.currentTarget.setPointerCapture(event.pointerId); }} />)}
        {draft && draft.length > 0 && <polyline points={points([...draft, cross])} className="draft" />}
      </svg>
      {zones.map((zone, i) => <span key={i} className={i === selected ? "zonelabel chosen" : "zonelabel"} style={place(zone.polygon[0]!)}>{zone.name || `${i + 1}`}</span>)}
      {draft?.map((c, i) => <span key={i} className="draftcorner" style={place(c)} aria-hidden="true" />)}
      {draft && <><span className="cross" style={place(cross)} aria-hidden="true" /><span className="sronly" role="status" data-cross>{t("zone.cross", { x: percent(cross[0]), y: percent(cross[1]) })}</span></>}
      {!draft && selected != null && zones[selected] && <Handles corners={zones[selected].polygon} at={at} onCorners={(corners) => props.onPolygon(selected, corners)} />}
    </div>
  );
}

function Handles({ corners, at, onCorners }: { corners: Corner[]; at: (event: PointerEvent) => Corner; onCorners: (corners: Corner[]) => void }) {
  const { t } = useI18n();
  const all = useRef<(HTMLButtonElement | null)[]>([]);
  const [next, setNext] = useState<number | null>(null);
  useEffect(() => { if (next != null) { all.current[next]?.focus(); setNext(null); } }, [next]);
  const press = (event: KeyboardEvent, i: number) => {
    const arrow = ARROWS[event.key], step = event.shiftKey ? BIG_STEP : STEP, [x, y] = corners[i]!;
    if (arrow) onCorners(movedCorner(corners, i, x + arrow[0] * step, y + arrow[1] * step));
    else if (event.key === "Delete" || event.key === "Backspace") { onCorners(withoutCorner(corners, i)); setNext(Math.max(0, i - 1)); }
    else if (event.key === "+" || event.key === "=") { onCorners(withMiddle(corners, i)); setNext(i + 1); }
    else return;
    event.preventDefault();
  };
  return (
    <>
      {corners.map((_, i) => <button key={`m${i}`} type="button" className="midhandle" style={place(middle(corners, i))} aria-label={t("zone.between", { n: i + 1 })} title={t("zone.between", { n: i + 1 })} onClick={() => { onCorners(withMiddle(corners, i)); setNext(i + 1); }} tabIndex={-1} />)}
      {corners.map((c, i) => <button key={`c${i}`} ref={(element) => { all.current[i] = element; }} type="button" className="handle" data-corner={i} style={place(c)} aria-label={t("zone.corner", { n: i + 1, x: percent(c[0]), y: percent(c[1]) })} title={t("zone.cornerHelp")}
        onPointerDown={(event) => { event.stopPropagation(); event.currentTarget.setPointerCapture(event.pointerId); }}
        onPointerMove={(event) => { if (event.currentTarget.hasPointerCapture(event.pointerId)) { const to = at(event); onCorners(movedCorner(corners, i, to[0], to[1])); } }}
        onKeyDown={(event) => press(event, i)}>{i + 1}</button>)}
    </>
  );
}
