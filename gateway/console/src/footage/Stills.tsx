// The three masked stills: before, when it was found, after. Each is fetched once; enlarging one fetches nothing.
import { useState } from "react";
import { useI18n, type Key } from "../i18n/index.tsx";
import { api } from "../api/client.ts";
import type { Footage, FootagePart } from "../api/model.ts";
import { timeMs } from "../format.ts";
import { partOf } from "./load.ts";

const ROLES = ["before", "still", "after"] as const;

export function Stills({ footage }: { footage: Footage }) {
  const [large, setLarge] = useState<string | null>(null);
  const parts = ROLES.map((role) => partOf(footage, role)).filter((part) => part != null);
  return <div className={large ? "stills haslarge" : "stills"}>{parts.map((part) => <Still key={part.role} id={footage.id} part={part} isLarge={large === part.role} onSize={() => setLarge(large === part.role ? null : part.role)} />)}</div>;
}

export function Still({ id, part, isLarge, onSize, ...other }: { id: string; part: FootagePart; name?: Key; isLarge?: boolean; onSize?: () => void }) {
  const { t } = useI18n();
  const [isBad, setIsBad] = useState(false);
  const name = t(other.name ?? `foot.${part.role}`), when = part.from == null ? "" : timeMs(part.from);
  return (
    <figure className={isLarge ? "still large" : "still"} data-still={part.role}>
      {part.state !== "here" ? <div className="stillgap">{t(`foot.state.${part.state}`)}</div>
        : isBad ? <div className="stillgap late">{t("foot.unreadable")}</div>
          : <img src={api.partUrl(id, part.role)} alt={t("foot.picture", { what: `${name} ${when}` })} onError={() => setIsBad(true)} />}
      <figcaption><strong>{name}</strong> {part.from != null && <time className="num small" dateTime={new Date(part.from).toISOString()}>{when}</time>}
        {onSize && part.state === "here" && !isBad && <button className="plain small" onClick={onSize}>{t(isLarge ? "foot.smaller" : "foot.larger")}</button>}</figcaption>
    </figure>
  );
}
