// How it stands with the footage of a box, in a few words; what a person must look at is loud.
import { useI18n } from "../i18n/index.tsx";
import type { BoxFootage } from "../api/model.ts";
import { size } from "../format.ts";
import { Age } from "./words.tsx";

export function BoxFootageWords({ of }: { of?: BoxFootage | null }) {
  const { t } = useI18n();
  if (!of) return <span className="muted">{t("box.none")}</span>;
  return (
    <span className="num" data-box-footage>
      {of.files === 0 ? t("box.empty") : t("box.files", { n: of.files, size: size(of.bytes, t) })}
      {of.oldest_at != null && <div className="muted small">{t("fleet.oldest")} <Age at={of.oldest_at} /></div>}
      {of.wanted > 0 && <div className="muted small">{t("box.wanted", { n: of.wanted })}</div>}
      <div className="muted small">{t("box.sent", { n: of.sent })}{of.originals > 0 && <>{t("box.between")}{t("box.originals", { n: of.originals, size: size(of.originals_bytes, t) })}</>}</div>
      {of.refused > 0 && <div className="late small" data-refused>{t("box.refused", { n: of.refused })}</div>}
      {of.lost > 0 && <div className="late small" data-lost>{t("box.lost", { n: of.lost })}</div>}
    </span>
  );
}
