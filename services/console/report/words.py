"""What the columns of the compliance report are called, in both languages."""

from collections.abc import Mapping

from libs.common.workflows import Title
from services.console.domain.compliance import Outcome

COLUMNS: Mapping[str, Title] = {
    "day": Title(en="Day", zh="日期"),
    "shift": Title(en="Shift", zh="班次"),
    "camera": Title(en="Camera", zh="摄像机"),
    "moment": Title(en="Time", zh="时间"),
    "clip": Title(en="Clip", zh="视频片段"),
    "verdict": Title(en="Verdict", zh="判定"),
    "seconds": Title(en="Seconds", zh="秒数"),
    "washes": Title(en="Washes", zh="洗手次数"),
    "compliant": Title(en="Compliant", zh="合规"),
    "non_compliant": Title(en="Not compliant", zh="不合规"),
    "undetermined": Title(en="Can't be judged", zh="无法判断"),
    "rate": Title(en="Compliance rate", zh="合规率"),
    "median_seconds": Title(en="Median seconds", zh="时长中位数（秒）"),
    "missing": Title(en="Missing", zh="缺少"),
    "model": Title(en="Model", zh="模型"),
    "sensitivity": Title(en="Model: catches what is not compliant", zh="模型灵敏度"),
    "specificity": Title(en="Model: spares what is compliant", zh="模型特异度"),
    "clips_compliant": Title(en="Clips: compliant", zh="片段：合规"),
    "clips_non_compliant": Title(en="Clips: not compliant", zh="片段：不合规"),
    "clips_undetermined": Title(en="Clips: can't be judged", zh="片段：无法判断"),
}
VERDICTS: Mapping[Outcome, Title] = {
    "compliant": COLUMNS["compliant"],
    "non_compliant": COLUMNS["non_compliant"],
    "undetermined": COLUMNS["undetermined"],
}
