// Zones of a camera, drawn on its overview; they become the next configuration of its agent, which a person sends.
import { useState } from "react";
import { Alert, Button } from "antd";
import { useI18n } from "../i18n/index.tsx";
import { api, Refused } from "../api/client.ts";
import type { Camera, ConfigurationPage, Footage } from "../api/model.ts";
import { leaveDraft, draftOf } from "../drafts.ts";
import { partOf } from "../footage/load.ts";
import { kindWord } from "../footage/words.ts";
import { Loading, useLoad } from "../parts/load.tsx";
import { Nothing } from "../parts/words.tsx";
import { go, href } from "../route.ts";
import { useUser } from "../session.tsx";
import { Board } from "../zones/Board.tsx";
import { faults, lacks } from "../zones/check.ts";
import { trouble, type Corner } from "../zones/polygon.ts";
import { withZones, zonesOf, zoneToml, type Found, type Zone } from "../zones/toml.ts";
import { ZoneForm } from "../zones/ZoneForm.tsx";

interface Page { camera: Camera; agent: string | null; configuration: ConfigurationPage | null; overview: Footage | null }

/** The camera, the agent that told of it, and how it looks. */
async function readPage(site: string, id: string): Promise<Page> {
  const [cameras, fleet] = await Promise.all([api.cameras(site), api.fleet()]);
  const camera = cameras.find((c) => c.id === id);
  if (!camera) throw new Refused(404, `no camera ${id} at ${site}`);
  const pages = await Promise.all(fleet.agents.filter((a) => a.site === site).map((a) => api.fleetAgent(a.agent)));
  const [configurations, overview] = await Promise.all([Promise.all(pages.map((page) => api.configuration(page.agent.agent))), camera.overview ? api.oneFootage(camera.overview) : null]);
  // Who has told of the camera, else in whose wanted configuration it stands.
  const told = pages.findIndex((page) => page.devices.some((d) => d.device === id));
  const at = told >= 0 ? told : configurations.findIndex((c) => zonesOf(c.versions[0]?.text ?? "", id).is === "found");
  return { camera, agent: pages[at]?.agent.agent ?? null, configuration: configurations[at] ?? null, overview };
}

export default function Zones({ site, camera }: { site: string; camera: string }) {
  const { t } = useI18n();
  // Read once: what somebody draws must not be overwritten by what comes in meanwhile.
  const page = useLoad(() => readPage(site, camera), [site, camera], false);
  return <><a className="back" href={`${href("cameras")}?site=${encodeURIComponent(site)}`}>{t("zone.back")}</a><Loading of={page} what="what.zones">{(data) => <Body page={data} />}</Loading></>;
}

/** The text that the next version starts from: what was prepared already, or the newest version. */
const textOf = ({ agent, configuration }: Page) => (agent && draftOf(agent)) ?? configuration?.versions[0]?.text ?? "";

function Body({ page }: { page: Page }) {
  const { t, tx } = useI18n();
  const found = zonesOf(textOf(page), page.camera.id);
  return (
    <>
      <div className="head"><div><h1>{t("zone.title")} · {tx(page.camera.name)}</h1><p className="muted">{t("zone.help")}</p><p className="muted">{t("zone.forbidden")}</p></div></div>
      {found.is === "unreadable" && <Alert type="warning" showIcon={false} message={t("zone.unreadable", { why: found.why })} />}
      <Editor page={page} found={found} />
    </>
  );
}

function Editor({ page, found }: { page: Page; found: Found }) {
  const { t } = useI18n();
  const [zones, setZones] = useState<Zone[]>(found.is === "found" ? found.zones : []);
  const [selected, setSelected] = useState<number | null>(null);
  const [draft, setDraft] = useState<Corner[] | null>(null);
  // A zone that was changed no longer stands as it stood in the configuration.
  const change = (at: number, next: Zone) => setZones((old) => old.map((zone, i) => (i === at ? { ...next, lines: undefined } : zone)));
  const wrong = draft && draft.length >= 3 ? trouble(draft) : null;
  const done = () => {
    if (!draft || trouble(draft)) return;
    setZones([...zones, { name: "", kind: "", polygon: draft, hours: [], watch: [], rest: [], above: [] }]);
    setSelected(zones.length);
    setDraft(null);
  };
  const still = page.overview && partOf(page.overview, "still");
  const picture = still?.state === "here" ? <img src={api.partUrl(page.overview!.id, "still")} alt={t("cam.overview")} draggable={false} /> : <div className="noboard">{t("zone.noPicture")}</div>;
  const chosen = selected == null ? undefined : zones[selected];
  return (
    <>
      <div className="twocol">
      <div>
        <Board picture={picture} zones={zones} selected={selected} onSelect={setSelected} onPolygon={(at, polygon) => change(at, { ...zones[at]!, polygon })} draft={draft} onDraft={setDraft} onDone={done} onCancel={() => setDraft(null)} />
        {draft ? (
          <>
            <p className="muted small">{t("zone.drawing")}</p>
            {wrong && <p className="late" role="status">{t(`zone.bad.${wrong.is}`, wrong as never)}</p>}
            <p className="presets"><Button type="primary" onClick={done} disabled={trouble(draft) != null} data-draw-done>{t("zone.done")}</Button><Button onClick={() => setDraft(draft.slice(0, -1))} disabled={draft.length === 0}>{t("zone.undoCorner")}</Button><Button onClick={() => setDraft(null)}>{t("zone.cancel")}</Button></p>
          </>
        ) : <p className="presets"><Button type="primary" onClick={() => { setSelected(null); setDraft([]); }} data-draw>{t("zone.new")}</Button></p>}
      </div>
      <div>
        <h2>{t("zone.list")}</h2>
        {zones.length === 0 ? <Nothing>{t("zone.none")}</Nothing> : <ul className="rows">{zones.map((zone, i) => <li key={i} className="row zonerow" data-zone={i} data-chosen={i === selected}><button className="plain" onClick={() => setSelected(i === selected ? null : i)} aria-pressed={i === selected}>{zone.name || i + 1}</button><span className="muted">{zone.kind && kindWord(zone.kind, t)}</span></li>)}</ul>}
        {chosen && selected != null && !draft && (
          <>
            <ZoneForm key={selected} zone={chosen} faults={faults(chosen, zones.filter((_, i) => i !== selected))} onZone={(next) => change(selected, next)} onRemove={() => { setZones(zones.filter((_, i) => i !== selected)); setSelected(null); }} />
            <p className="muted small">{t("zone.corners")}: {t("zone.cornerHelp")}</p>
          </>
        )}
      </div>
    </div>
    <Result page={page} found={found} zones={zones} />
    </>
  );
}

/** The lines of the configuration, and the way to where a person sends them. */
function Result({ page, found, zones }: { page: Page; found: Found; zones: Zone[] }) {
  const { t } = useI18n();
  const [copied, setCopied] = useState(false);
  const may = useUser().may.includes("keep_agents");
  const { agent, configuration, camera } = page;
  const text = zones.map(zoneToml).join("\n\n");
  const isBad = zones.some((zone, i) => faults(zone, zones.filter((_, n) => n !== i)).length > 0);
  const missing = lacks(zones, found.is === "found" ? found.tables : ["published", "look"]);
  const into = () => { leaveDraft(agent!, withZones(textOf(page), camera.id, zones)); go(href("fleet", agent!)); };
  const why = !agent ? t("zone.noAgent") : configuration?.versions.length === 0 ? t("zone.own") : found.is === "absent" ? t("zone.notInText") : !may ? t("zone.adminOnly") : null;
  const copy = () => navigator.clipboard?.writeText(text).then(() => setCopied(true), () => setCopied(false));
  return (
    <section>
      <h2>{t("zone.toml")}</h2>
      {zones.length === 0 && <p className="muted">{t("zone.nothing")}</p>}
      {zones.length > 0 && <pre className="toml" data-toml>{text}</pre>}
      {missing.length > 0 && <p className="cannot">{t("zone.lacks", { tables: missing.join(" ") })}</p>}
      {isBad && <p className="late">{t("zone.notYet")}</p>}
      {why && zones.length > 0 && <p className="muted">{why}</p>}
      <p className="presets">
        {agent && <Button type="primary" onClick={into} disabled={!may || isBad || found.is !== "found"} data-into>{t("zone.into", { agent })}</Button>}
        {zones.length > 0 && <Button onClick={copy} disabled={isBad}>{copied ? t("zone.copied") : t("zone.copy")}</Button>}
      </p>
    </section>
  );
}
