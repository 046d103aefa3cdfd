// Plays a masked clip frame by frame, with what was seen drawn over it. What is missing is shown as missing.
import { useEffect, useMemo, useReducer, useRef, useState, type KeyboardEvent } from "react";
import { Button, Checkbox, Segmented } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { seconds, timeMs } from "../format.ts";
import { boxesAt, holeAt, lastBy, type Marked } from "./clip.ts";
import { drawAbsence, drawBoxes, drawZones } from "./draw.ts";
import { Frames } from "./frames.ts";
import type { Clip } from "./load.ts";
import { ScrubBar } from "./ScrubBar.tsx";
import { kindWord, seenWord } from "./words.ts";

const SPEEDS = [0.25, 0.5, 1, 2];
/** After a pause of the browser (a hidden tab) the clip goes on where it was. */
const TICK_MAX_MS = 250;

export function Player({ clip, foundAt }: { clip: Clip; foundAt: number }) {
  const { t, lang } = useI18n();
  const [at, setAt] = useState(() => Math.min(Math.max(foundAt, clip.frames[0]!.at), clip.span.to));
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [shows, setShows] = useState({ boxes: true, zones: true });
  const [decoded, redraw] = useReducer((n: number) => n + 1, 0);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(canvas);
  const frames = useMemo(() => new Frames(clip.bytes, clip.frames, (blob) => createImageBitmap(blob), redraw), [clip]);
  useEffect(() => () => frames.close(), [frames]);

  const last = lastBy(clip.frames, at), index = Math.max(0, last);
  const frame = clip.frames[index]!;
  const hole = holeAt(clip.holes, at);
  const seen = clip.detections && boxesAt(clip.detections.frames, frame.at);
  const words = (box: Marked) => [...said(box.classes).map((name) => seenWord(name, t)), box.track == null ? "" : t("foot.track", { n: box.track })].filter(Boolean).join(" · ");

  useEffect(() => {
    frames.look(index, 1);
  }, [frames, index]);
  useEffect(() => {
    if (!playing) return;
    let then = performance.now(), timer = 0;
    const tick = (now: number) => {
      const passed = Math.min(now - then, TICK_MAX_MS) * speed;
      then = now;
      // A frame that is still being decoded is waited for: time never runs ahead of the picture.
      setAt((old) => (frames.get(Math.max(0, lastBy(clip.frames, old))) == null ? old : Math.min(clip.span.to, old + passed)));
      timer = requestAnimationFrame(tick);
    };
    timer = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(timer);
  }, [playing, speed, frames, clip]);
  useEffect(() => { if (at >= clip.span.to) setPlaying(false); }, [at, clip]);
  useEffect(() => {
    const picture = frames.get(index), board = canvas.current, ink = board?.getContext("2d");
    if (!board || !ink || picture == null || !width) return;
    const shape = picture === "broken" ? 9 / 16 : picture.height / picture.width;
    const size = { width, height: Math.round(width * shape) }, dots = devicePixelRatio || 1;
    board.width = size.width * dots;
    board.height = size.height * dots;
    ink.scale(dots, dots);
    if (picture !== "broken") ink.drawImage(picture, 0, 0, size.width, size.height);
    if (hole) drawAbsence(ink, size, t("foot.inHole", { s: seconds(hole.to - hole.from) }));
    else if (picture === "broken") drawAbsence(ink, size, t("foot.undecodable"));
    if (shows.zones && clip.detections) drawZones(ink, size, clip.detections.zones, (zone) => `${zone.name} · ${kindWord(zone.kind, t)}`);
    if (shows.boxes && seen && !hole) drawBoxes(ink, size, seen.boxes, seen.ageMs > 0, words);
    board.dataset.drawn = hole ? "hole" : String(index);
  }, [frames, index, hole, decoded, width, shows, clip, lang]); // eslint-disable-line

  const show = (to: number) => { setPlaying(false); setAt(to); };
  const step = (by: number) => {
    // Out of a hole one steps to the frame at its edge.
    const next = hole && by < 0 ? last : last + by;
    show(clip.frames[Math.min(clip.frames.length - 1, Math.max(0, next))]!.at);
  };
  const play = () => { if (!playing && at >= clip.span.to) setAt(clip.frames[0]!.at); setPlaying(!playing); };
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inChoice = (event.target as HTMLElement).closest(".ant-segmented") != null;
    const isPress = (event.target as HTMLElement).closest("button, .ant-checkbox-wrapper, .ant-segmented") != null;
    if (event.key === "," || (event.key === "ArrowLeft" && !inChoice)) step(-1);
    else if (event.key === "." || (event.key === "ArrowRight" && !inChoice)) step(1);
    else if (event.key === "Home") show(clip.frames[0]!.at);
    else if (event.key === "End") show(clip.frames.at(-1)!.at);
    else if (event.key === " " && !isPress) play();
    else return;
    event.preventDefault();
  };
  const sees = seen && !hole ? seen.boxes.map(words).join(lang === "zh" ? "；" : "; ") || t("foot.seesNothing") : "";
  const away = frame.at - foundAt;
  const relation = away === 0 ? t("foot.rel.at") : t(away < 0 ? "foot.rel.before" : "foot.rel.after", { s: (Math.abs(away) / 1000).toFixed(2) });
  return (
    <div className="player" role="group" aria-label={t("foot.player")} tabIndex={0} onKeyDown={press} data-player>
      <canvas ref={canvas} role="img" aria-label={t("foot.picture", { what: hole ? t("foot.inHole", { s: seconds(hole.to - hole.from) }) : `${timeMs(frame.at)}${sees && ` ${sees}`}` })} data-index={index} />
      <p className="playertime num"><time dateTime={new Date(hole ? Math.round(at) : frame.at).toISOString()} data-at={frame.at}>{timeMs(hole ? Math.round(at) : frame.at)}</time> <span className="muted">{hole ? t("foot.hole") : <>{t("foot.frame", { n: index + 1, all: clip.frames.length })} · {relation}</>}</span></p>
      <ScrubBar clip={clip} at={at} foundAt={foundAt} onScrub={show} />
      <div className="playerkeys">
        <Button onClick={() => step(-1)} aria-label={t("foot.back")} title={`${t("foot.back")} ( , )`} data-back>◂|</Button>
        <Button type="primary" onClick={play} data-play>{t(playing ? "foot.pause" : "foot.play")}</Button>
        <Button onClick={() => step(1)} aria-label={t("foot.forward")} title={`${t("foot.forward")} ( . )`} data-forward>|▸</Button>
        <Button onClick={() => show(foundAt)}>{t("foot.toFound")}</Button>
        <Segmented aria-label={t("foot.speed")} value={speed} onChange={(value) => setSpeed(Number(value))} options={SPEEDS.map((value) => ({ value, label: `${value}×` }))} />
        <Checkbox checked={shows.boxes} onChange={(event) => setShows({ ...shows, boxes: event.target.checked })} data-boxes>{t("foot.boxes")}</Checkbox>
        <Checkbox checked={shows.zones} onChange={(event) => setShows({ ...shows, zones: event.target.checked })} data-zones>{t("foot.zones")}</Checkbox>
      </div>
      <p className="small muted" data-seen>{clip.detections == null ? t("foot.boxes.coming") : hole || !seen ? t("foot.boxes.none") : seen.ageMs > 0 ? t("foot.boxes.old", { ms: seen.ageMs }) : t("foot.boxes.now")}{sees && ` · ${t("foot.sees", { what: sees })}`}</p>
      <p className="small muted playerhelp">{t("foot.keys")}</p>
    </div>
  );
}

/** That it is a person goes without saying where more is said of it. */
const said = (classes: string[]) => (classes.length > 1 ? classes.filter((name) => name !== "person") : classes);

/** The width at which an element is shown, in CSS pixels. */
function useWidth(of: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = of.current!;
    const watcher = new ResizeObserver(() => setWidth(element.clientWidth));
    watcher.observe(element);
    setWidth(element.clientWidth);
    return () => watcher.disconnect();
  }, [of]);
  return width;
}
