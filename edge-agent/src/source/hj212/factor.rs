//! Factor codes (HJ 212-2017 Tables B.1 to B.3), codes of site information (Table B.10), and the codes of 2005.
//!
//! Not the whole of the standard's tables: the codes of the sites we serve. Any other code is kept as sent.

use super::names::Name;

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    /// Its code.
    pub code: &'static str,
    /// Its name.
    pub name: Name,
    /// Unit of values and means; empty if it has none.
    pub unit: &'static str,
    /// Unit of amounts (`-Cou`); empty if the tables give none.
    pub amount: &'static str,
}

const fn factor(
    code: &'static str,
    zh: &'static str,
    en: &'static str,
    unit: &'static str,
    amount: &'static str,
) -> Factor {
    Factor {
        code,
        name: Name { zh, en },
        unit,
        amount,
    }
}

/// In the order of their bytes.
const FACTORS: &[Factor] = &[
    factor("L10", "累积百分声级 L10", "sound level L10", "dB(A)", ""),
    factor("L5", "累积百分声级 L5", "sound level L5", "dB(A)", ""),
    factor("L50", "累积百分声级 L50", "sound level L50", "dB(A)", ""),
    factor("L90", "累积百分声级 L90", "sound level L90", "dB(A)", ""),
    factor("L95", "累积百分声级 L95", "sound level L95", "dB(A)", ""),
    factor("LA", "A 声级", "A-weighted sound level", "dB(A)", ""),
    factor("LMn", "最小声级", "lowest sound level", "dB(A)", ""),
    factor("LMx", "最大声级", "highest sound level", "dB(A)", ""),
    factor(
        "Ld",
        "昼间等效声级",
        "day equivalent sound level",
        "dB(A)",
        "",
    ),
    factor(
        "Ldn",
        "昼夜等效声级",
        "day-night equivalent sound level",
        "dB(A)",
        "",
    ),
    factor("Leq", "等效声级", "equivalent sound level", "dB(A)", ""),
    factor(
        "Ln",
        "夜间等效声级",
        "night equivalent sound level",
        "dB(A)",
        "",
    ),
    factor("a00000", "废气", "waste gas flow", "m³/s", "m³"),
    factor("a01001", "温度", "temperature", "℃", ""),
    factor("a01002", "湿度", "humidity", "%", ""),
    factor("a01006", "气压", "air pressure", "kPa", ""),
    factor("a01007", "风速", "wind speed", "m/s", ""),
    factor("a01008", "风向", "wind direction", "°", ""),
    factor("a01011", "烟气流速", "flue gas velocity", "m/s", ""),
    factor("a01012", "烟气温度", "flue gas temperature", "℃", ""),
    factor("a01013", "烟气压力", "flue gas pressure", "kPa", ""),
    factor("a01014", "烟气湿度", "flue gas moisture", "%", ""),
    factor("a01016", "烟道截面积", "duct cross-section", "m²", ""),
    factor("a01017", "烟气动压", "flue gas dynamic pressure", "kPa", ""),
    factor("a01901", "炉膛温度", "furnace temperature", "℃", ""),
    factor("a05001", "二氧化碳", "carbon dioxide", "mg/m³", "kg"),
    factor("a19001", "氧气含量", "oxygen", "%", ""),
    factor("a21001", "氨", "ammonia", "mg/m³", "kg"),
    factor("a21002", "氮氧化物", "nitrogen oxides", "mg/m³", "kg"),
    factor("a21003", "一氧化氮", "nitric oxide", "mg/m³", "kg"),
    factor("a21004", "二氧化氮", "nitrogen dioxide", "mg/m³", "kg"),
    factor("a21005", "一氧化碳", "carbon monoxide", "mg/m³", "kg"),
    factor("a21018", "氟化物", "fluorides", "mg/m³", "kg"),
    factor("a21024", "氯化氢", "hydrogen chloride", "mg/m³", "kg"),
    factor("a21026", "二氧化硫", "sulfur dioxide", "mg/m³", "kg"),
    factor("a21028", "硫化氢", "hydrogen sulfide", "mg/m³", "kg"),
    factor(
        "a24088",
        "非甲烷总烃",
        "non-methane hydrocarbons",
        "mg/m³",
        "kg",
    ),
    factor("a25002", "苯", "benzene", "mg/m³", "kg"),
    factor(
        "a34001",
        "总悬浮颗粒物 TSP",
        "total suspended particles",
        "mg/m³",
        "kg",
    ),
    factor("a34002", "可吸入颗粒物 PM10", "PM10", "mg/m³", "kg"),
    factor("a34004", "细微颗粒物 PM2.5", "PM2.5", "mg/m³", "kg"),
    factor(
        "a34013",
        "烟尘（颗粒物）",
        "particulate matter",
        "mg/m³",
        "kg",
    ),
    factor("a34038", "沥青烟", "asphalt fume", "mg/m³", "kg"),
    factor(
        "i11001",
        "在线监控（监测）仪器仪表日志",
        "analyser log",
        "",
        "",
    ),
    factor("i12001", "仪器仪表工作状态", "analyser state", "", ""),
    factor(
        "i12002",
        "仪器仪表与数采仪通讯状态",
        "link between analyser and logger",
        "",
        "",
    ),
    factor("i12003", "COD 报警状态", "COD alarm state", "", ""),
    factor("i13001", "量程", "measuring range", "", ""),
    factor("i13002", "测量精度", "precision", "", ""),
    factor("i13003", "测量间隔", "measuring interval", "min", ""),
    factor("i13004", "消解温度", "digestion temperature", "℃", ""),
    factor("i13005", "消解时长", "digestion time", "min", ""),
    factor("i13006", "校准时间", "calibration time", "", ""),
    factor("i13007", "截距", "intercept", "", ""),
    factor("i13008", "斜率", "slope", "", ""),
    factor("i13009", "检出限", "detection limit", "", ""),
    factor("i21001", "数采仪日志", "logger log", "", ""),
    factor("i22001", "数采仪工作状态", "logger state", "", ""),
    factor("i22002", "数采仪用户级别", "logger user level", "", ""),
    factor("i22003", "数采仪通讯状态", "logger link", "", ""),
    factor("i22101", "数采仪通道状态", "logger channel", "", ""),
    factor("i23001", "当地大气压", "local air pressure", "kPa", ""),
    factor("i31001", "门禁日志", "door access log", "", ""),
    factor("i32001", "站房门状态", "station door state", "", ""),
    factor("i33001", "伴热管温度", "heat-trace temperature", "℃", ""),
    factor("i33002", "冷凝温度", "condenser temperature", "℃", ""),
    factor("i33101", "站房温度", "station room temperature", "℃", ""),
    factor("w00000", "污水", "sewage flow", "L/s", "m³"),
    factor("w01001", "pH 值", "pH", "", ""),
    factor("w01009", "溶解氧", "dissolved oxygen", "mg/L", "kg"),
    factor("w01010", "水温", "water temperature", "℃", ""),
    factor("w01012", "悬浮物", "suspended solids", "mg/L", "kg"),
    factor("w01014", "电导率", "conductivity", "µS/cm", ""),
    factor("w01017", "五日生化需氧量", "BOD5", "mg/L", "kg"),
    factor("w01018", "化学需氧量", "COD", "mg/L", "kg"),
    factor("w01019", "高锰酸盐指数", "permanganate index", "mg/L", "kg"),
    factor("w21001", "总氮", "total nitrogen", "mg/L", "kg"),
    factor("w21003", "氨氮", "ammonia nitrogen", "mg/L", "kg"),
    factor("w21011", "总磷", "total phosphorus", "mg/L", "kg"),
    factor("w22001", "石油类", "petroleum", "mg/L", "kg"),
];

/// Codes of HJ/T 212-2005 that Tables B.1 to B.3 name beside the new ones.
const OLD: &[(&str, &str)] = &[
    ("001", "w01001"),
    ("01", "a34013"),
    ("011", "w01018"),
    ("02", "a21026"),
    ("03", "a21002"),
    ("04", "a21005"),
    ("060", "w21003"),
    ("065", "w21001"),
    ("101", "w21011"),
    ("30", "a05001"),
    ("B01", "w00000"),
    ("B02", "a00000"),
    ("S01", "a19001"),
    ("S02", "a01011"),
    ("S03", "a01012"),
    ("S04", "a01017"),
    ("S05", "a01014"),
    ("S08", "a01013"),
];

/// How a code as sent was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// A code of the tables.
    Found(&'static Factor),
    /// A code of 2005.
    Old(&'static Factor),
    /// The letter was missing.
    WithoutLetter(&'static Factor),
    /// Not in the tables.
    Unmapped,
}

impl Lookup {
    /// The factor, if there is one.
    pub fn factor(self) -> Option<&'static Factor> {
        match self {
            Lookup::Found(f) | Lookup::Old(f) | Lookup::WithoutLetter(f) => Some(f),
            Lookup::Unmapped => None,
        }
    }
}

/// Understands a code as sent.
pub fn lookup(sent: &str) -> Lookup {
    if let Some(factor) = find(sent) {
        return Lookup::Found(factor);
    }
    if let Ok(at) = OLD.binary_search_by(|(old, _)| (*old).cmp(sent)) {
        return find(OLD[at].1).map_or(Lookup::Unmapped, Lookup::Old);
    }
    // The standard's own examples have `01018` for w01018. Only where one letter alone gives a factor.
    if sent.len() == 5 && sent.bytes().all(|b| b.is_ascii_digit()) {
        let with = |letter: &str| find(&format!("{letter}{sent}"));
        if let (Some(factor), None) | (None, Some(factor)) = (with("w"), with("a")) {
            return Lookup::WithoutLetter(factor);
        }
    }
    Lookup::Unmapped
}

fn find(code: &str) -> Option<&'static Factor> {
    let at = FACTORS
        .binary_search_by(|factor| factor.code.cmp(code))
        .ok()?;
    Some(&FACTORS[at])
}

/// True for `SB1`, `SB2`…: a treatment facility.
pub fn is_facility(code: &str) -> bool {
    code.strip_prefix("SB")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_in_order_and_every_old_code_has_its_new_one() {
        assert!(FACTORS.is_sorted_by_key(|factor| factor.code));
        assert!(OLD.is_sorted());
        for (old, new) in OLD {
            assert!(
                matches!(lookup(old), Lookup::Old(f) if f.code == *new),
                "{old}"
            );
        }
    }

    #[test]
    fn a_code_without_its_letter_is_read_only_if_one_letter_fits() {
        assert!(matches!(lookup("01018"), Lookup::WithoutLetter(f) if f.code == "w01018"));
        assert!(
            matches!(lookup("00000"), Lookup::Unmapped),
            "w00000 or a00000"
        );
        assert!(matches!(lookup("zz9999"), Lookup::Unmapped));
        assert!(is_facility("SB12") && !is_facility("SB"));
    }
}
