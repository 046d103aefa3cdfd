// What a zone is, when somebody may be there, and what is watched for in it.
import { useState } from "react";
import { Button, Checkbox, Input, Select } from "antd";
import { translator, useI18n } from "../i18n/index.tsx";
import { kindWord, seenWord } from "../footage/words.ts";
import type { Fault } from "./check.ts";
import { AFTER_HOURS, KINDS, watchable } from "./kinds.ts";
import type { Zone } from "./toml.ts";

const split = (text: string) => text.split(/[,，;；、]/).map((part) => part.trim().replace(/\s*[-–—~至]\s*/, "-")).filter(Boolean);

/** A kind is named in both languages: Chinese is what rules call it, English what the configuration does. */
const BOTH = [translator("zh"), translator("en")];

export function ZoneForm({ zone, faults, onZone, onRemove }: { zone: Zone; faults: Fault[]; onZone: (zone: Zone) => void; onRemove: () => void }) {
  const { t } = useI18n();
  const [hours, setHours] = useState(zone.hours.join(", "));
  const kinds = KINDS.map((kind) => ({ value: kind as string, label: BOTH.map((say) => kindWord(kind, say)).join(" · ") }));
  const become = (kind: string) => onZone({ ...zone, kind, watch: zone.watch.filter((name) => watchable(kind).some((w) => w.name === name)) });
  const watch = (name: string, isOn: boolean) => {
    const next = { ...zone, watch: isOn ? [...zone.watch, name] : zone.watch.filter((other) => other !== name) };
    if (name === AFTER_HOURS && !isOn) { setHours(""); next.hours = []; }
    onZone(next);
  };
  return (
    <div className="card zoneform" data-zone-form>
      <label className="reason">{t("zone.name")}<Input value={zone.name} maxLength={60} onChange={(event) => onZone({ ...zone, name: event.target.value })} name="zone-name" /></label>
      <label className="reason">{t("zone.kind")}<Select value={zone.kind || undefined} onChange={become} options={kinds} data-kind aria-label={t("zone.kind")} /></label>
      <fieldset className="checks"><legend>{t("zone.watch")}</legend>
        {watchable(zone.kind).map((w) => <Checkbox key={w.name} checked={zone.watch.includes(w.name)} onChange={(event) => watch(w.name, event.target.checked)} data-watch={w.name}>{seenWord(w.name, t)}{w.own && <span className="muted small"> {t("zone.ownModel")}</span>}</Checkbox>)}
      </fieldset>
      {zone.watch.includes(AFTER_HOURS) && <label className="reason">{t("zone.hours")} <span className="muted small">{t("zone.hoursHint")}</span><Input value={hours} onChange={(event) => { setHours(event.target.value); onZone({ ...zone, hours: split(event.target.value) }); }} placeholder="06:00-23:00" name="zone-hours" /></label>}
      {zone.rest.length > 0 && <p className="muted small">{t("zone.kept", { keys: zone.rest.join("; ") })}</p>}
      {faults.length > 0 && <ul className="late" role="status" data-faults>{faults.map(([key, values]) => <li key={key}>{t(key, values)}</li>)}</ul>}
      <p><Button size="small" danger onClick={onRemove} data-remove-zone>{t("zone.remove")}</Button></p>
    </div>
  );
}
