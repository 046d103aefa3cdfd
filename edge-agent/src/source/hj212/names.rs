//! What the codes of a segment mean: ST (HJ 212-2017 Table 5), CN (Table 9 and 2025), QnRtn (Table 7), ExeRtn (Table 6).

/// A name in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Name {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

const fn name(zh: &'static str, en: &'static str) -> Option<Name> {
    Some(Name { zh, en })
}

/// What an ST stands for.
pub fn system(st: &str) -> Option<Name> {
    match st {
        "21" => name("地表水质量监测", "surface water quality"),
        "22" => name("空气质量监测", "air quality"),
        "23" => name("声环境质量监测", "noise environment quality"),
        "24" => name("地下水质量监测", "groundwater quality"),
        "25" => name("土壤质量监测", "soil quality"),
        "26" => name("海水质量监测", "sea water quality"),
        "27" => name("挥发性有机物监测", "volatile organic compounds"),
        "31" => name("大气环境污染源", "air pollution source"),
        "32" => name("地表水体环境污染源", "surface water pollution source"),
        "33" => name("地下水体环境污染源", "groundwater pollution source"),
        "34" => name("海洋环境污染源", "marine pollution source"),
        "35" => name("土壤环境污染源", "soil pollution source"),
        "36" => name("声环境污染源", "noise source"),
        "37" => name("振动环境污染源", "vibration source"),
        "38" => name("放射性环境污染源", "radioactivity source"),
        "39" => name("工地扬尘污染源", "construction dust source"),
        "41" => name("电磁环境污染源", "electromagnetic source"),
        "44" => name("用电监控", "electricity monitoring"),
        "45" => name("关键生产工况监控", "key process monitoring"),
        "51" => name("烟气排放过程监控", "flue gas process"),
        "52" => name("污水排放过程监控", "sewage process"),
        "91" => name("系统交互", "system exchange"),
        _ => None,
    }
}

/// What a CN stands for.
pub fn command(cn: &str) -> Option<Name> {
    match cn {
        "1000" => name("设置超时时间及重发次数", "set time-out and retries"),
        "1001" => name("上传硬件序列号", "hardware serial number"),
        "1002" => name("设置设备唯一标识", "set MN"),
        "1011" => name("提取/上传现场机时间", "device time"),
        "1012" => name("设置现场机时间", "set device time"),
        "1013" => name("现场机时间校准请求", "device asks for time"),
        "1014" => name("密钥提取/设置", "get or set key"),
        "1061" => name("提取/上传实时数据间隔", "real-time interval"),
        "1062" => name("设置实时数据间隔", "set real-time interval"),
        "1063" => name("提取/上传分钟数据间隔", "minute interval"),
        "1064" => name("设置分钟数据间隔", "set minute interval"),
        "1072" => name("设置现场机密码", "set password"),
        "2011" => name("实时数据", "real-time data"),
        "2012" => name("停止察看实时数据", "stop real-time data"),
        "2013" => name("VOC 原始数据", "VOC raw data"),
        "2021" => name("设备运行状态", "facility state"),
        "2022" => name("停止察看设备运行状态", "stop facility state"),
        "2031" => name("日历史数据", "daily data"),
        "2041" => name("设备运行时间日历史数据", "daily run time of facilities"),
        "2051" => name("分钟数据", "minute data"),
        "2052" => name("噪声单次监测数据", "single noise measurement"),
        "2061" => name("小时数据", "hourly data"),
        "2062" => name("自动标样核查/校准数据", "automatic check or calibration"),
        "2081" => name("数采仪开机时间", "logger boot time"),
        "2111" => name("炉膛温度 5 分钟数据", "furnace temperature, 5 minutes"),
        "3011" => name("零点校准量程校准", "zero and span calibration"),
        "3012" => name("即时采样", "sample now"),
        "3013" => name("启动清洗/反吹", "clean or blow back"),
        "3014" => name("比对采样", "comparison sample"),
        "3015" => name("超标留样", "retain over-limit sample"),
        "3016" => name("设置采样时间周期", "set sampling period"),
        "3017" => name("提取/上传采样时间周期", "sampling period"),
        "3018" => name("提取/上传出样时间", "time of analysis"),
        "3019" => name("设备唯一标识", "device identity"),
        "3020" => name("现场机信息", "site information"),
        "3021" => name("设置现场机参数", "set site parameter"),
        "9011" => name("请求应答", "request answer"),
        "9012" => name("执行结果", "result of execution"),
        "9013" => name("通知应答", "notice answer"),
        "9014" => name("数据应答", "data answer"),
        "9015" => name("心跳", "heartbeat"),
        _ => None,
    }
}

/// What a QnRtn stands for.
pub fn request_answer(code: &str) -> Option<Name> {
    match code {
        "1" => name("准备执行请求", "ready"),
        "2" => name("请求被拒绝", "rejected"),
        "3" => name("PW 错误", "wrong PW"),
        "4" => name("MN 错误", "wrong MN"),
        "5" => name("ST 错误", "wrong ST"),
        "6" => name("Flag 错误", "wrong Flag"),
        "7" => name("QN 错误", "wrong QN"),
        "8" => name("CN 错误", "wrong CN"),
        "9" => name("CRC 校验错误", "wrong CRC"),
        "100" => name("未知错误", "unknown error"),
        _ => None,
    }
}

/// What an ExeRtn stands for.
pub fn execution_result(code: &str) -> Option<Name> {
    match code {
        "1" => name("执行成功", "done"),
        "2" => name("执行失败，原因未知", "failed, reason unknown"),
        "3" => name("执行条件错误", "wrong condition"),
        "4" => name("通讯超时", "time-out"),
        "5" => name("系统繁忙", "busy"),
        "6" => name("系统故障", "fault"),
        "100" => name("没有数据", "no data"),
        _ => None,
    }
}

/// What a data flag stands for (Table 8).
pub fn data_flag(flag: &str) -> Option<Name> {
    match flag {
        "N" => name("正常", "normal"),
        "F" => name("停运", "plant stopped"),
        "M" => name("维护", "maintenance"),
        "S" => name("手工输入", "set by hand"),
        "D" => name("故障", "fault"),
        "C" => name("校准", "calibration"),
        "T" => name("超测量上限", "above measuring range"),
        "B" => name("通讯异常", "no communication between analyser and logger"),
        _ => None,
    }
}

/// What the state of a facility (SBn-RS) stands for (Table 4).
pub fn facility_state(state: &str) -> Option<Name> {
    match state {
        "0" => name("关闭", "off"),
        "1" => name("运行", "running"),
        "2" => name("校准", "calibration"),
        "3" => name("维护", "maintenance"),
        "4" => name("报警", "alarm"),
        "5" => name("反吹", "blow-back"),
        _ => None,
    }
}
