// The legal ground of a finding: a rule with its clause or an inspection item, chosen by a person, and how it is shown.
import { Select } from "antd";
import { useI18n } from "../i18n/index.tsx";
import type { Ground, GroundName } from "../api/model.ts";

export const groundKey = (ground: GroundName) => `${ground.kind}/${ground.id}`;
export function groundName(key: string): GroundName {
  const cut = key.indexOf("/");
  return { kind: key.slice(0, cut) === "rule" ? "rule" : "item", id: key.slice(cut + 1) };
}

export function GroundField({ grounds, value, onChange, missing }: { grounds: Ground[]; value: string | null; onChange: (key: string) => void; missing: boolean }) {
  const { t, tx, lang } = useI18n();
  const option = (g: Ground) => ({ value: groundKey(g), label: `${tx(g.text)}${lang === "zh" ? "：" : ": "}${tx(g.basis)}` });
  const group = (label: string, of: Ground[]) => (of.length ? [{ label, title: label, options: of.map(option) }] : []);
  const options = [
    ...group(t("case.ground.raised"), grounds.filter((g) => g.raised)),
    ...group(t("case.ground.rules"), grounds.filter((g) => !g.raised && g.kind === "rule")),
    ...group(t("case.ground.items"), grounds.filter((g) => !g.raised && g.kind === "item")),
  ];
  return (
    <>
      <label className="reason">{t("case.ground")} <span className="muted small">{t("case.groundHint")}</span>
        <Select className="ground" data-ground value={value} onChange={onChange} options={options} placeholder={t("case.groundChoose")} status={missing ? "error" : undefined} showSearch optionFilterProp="label" popupMatchSelectWidth />
      </label>
      {!grounds.some((g) => g.raised) && <p className="muted small">{t("case.groundModel")}</p>}
      {missing && <p className="late" role="alert">{t("case.needGround")}</p>}
    </>
  );
}

/** "GB 31654-2021: Cold store too warm", as a finding names it. */
export function GroundLine({ of }: { of?: Ground | null }) {
  const { t, tx, lang } = useI18n();
  if (!of) return null;
  return <span>{t("case.ground")}{lang === "zh" ? "：" : ": "}{tx(of.text)}{lang === "zh" ? "（" : " ("}{tx(of.basis)}{lang === "zh" ? "）" : ")"}</span>;
}
