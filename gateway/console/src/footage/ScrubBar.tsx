// The time of a clip as a bar: holes are drawn as holes with their times, the moment of the sighting is marked.
import { useI18n } from "../i18n/index.tsx";
import { clock, seconds, timeMs } from "../format.ts";
import { missingMs, shareOf } from "./clip.ts";
import type { Clip } from "./load.ts";

export function ScrubBar({ clip, at, foundAt, onScrub }: { clip: Clip; at: number; foundAt: number; onScrub: (at: number) => void }) {
  const { t } = useI18n();
  const percent = (time: number) => `${shareOf(clip.span, time) * 100}%`;
  return (
    <div className="scrub">
      <div className="scrubbar">
        <div className="scrubtrack" aria-hidden="true">
          <span className="scrubdone" style={{ width: percent(at) }} />
          {clip.holes.map((hole) => <span key={hole.from} className="scrubhole" title={t("foot.holeOf", { from: clock(hole.from), to: clock(hole.to), s: seconds(hole.to - hole.from) })} style={{ left: percent(hole.from), width: `${(shareOf(clip.span, hole.to) - shareOf(clip.span, hole.from)) * 100}%` }} data-hole />)}
          <span className="scrubfound" title={t("foot.foundMark")} style={{ left: percent(foundAt) }} />
        </div>
        <input type="range" min={clip.span.from} max={clip.span.to} step={1} value={Math.round(at)} onChange={(event) => onScrub(Number(event.target.value))} aria-label={t("foot.scrub")} aria-valuetext={timeMs(Math.round(at))} />
      </div>
      <div className="scrubends num small muted"><span>{clock(clip.span.from)}</span><span className="scrubfoundword" style={{ left: percent(foundAt) }}>▲ {t("foot.foundMark")}</span><span>{clock(clip.span.to)}</span></div>
      <Completeness clip={clip} />
    </div>
  );
}

/** Whether frames are missing, in words: what the manifest says, and what the file has. */
function Completeness({ clip }: { clip: Clip }) {
  const { t } = useI18n();
  const { holes, frames, announced, broken, has } = clip;
  const isComplete = holes.length === 0 && !broken && frames.length === announced;
  return (
    <div className="small" data-complete={isComplete}>
      {isComplete && <span className="good">{t("foot.complete")}</span>}
      {holes.length > 0 && (
        <>
          <strong className="late">{t("foot.incomplete", { n: holes.length, s: seconds(missingMs(holes)) })}</strong>
          <ul className="holes num">{holes.map((hole) => <li key={hole.from} data-holeline>{t("foot.hole")}: {t("foot.holeOf", { from: clock(hole.from), to: clock(hole.to), s: seconds(hole.to - hole.from) })}</li>)}</ul>
        </>
      )}
      {frames.length !== announced && <p className="late">{t("foot.fewer", { all: announced, n: frames.length })}</p>}
      {broken && <p className="late">{t("foot.damaged", { n: broken.at })}</p>}
      <p className={has === false ? "late" : "muted"} data-has={String(has)}>{t(has == null ? "foot.hash.unknown" : has ? "foot.hash.true" : "foot.hash.false")}</p>
    </div>
  );
}
