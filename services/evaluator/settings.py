"""What can be set for the evaluator."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.children import Limits
from libs.common.settings import CommonSettings


class Settings(CommonSettings):
    """Prefix `EVALUATOR_`. `cache_folder` holds pictures and models by digest; it may be lost at any time.

    `child_memory_gigabytes` and `child_silent_seconds` end a child that a picture or a model leads astray.
    `threads` None takes every core. `report_language` is what a report shows first; both languages are in it.
    """

    model_config = SettingsConfigDict(env_prefix="EVALUATOR_")

    cache_folder: Path = Path("var/evaluator")
    cache_gigabytes: float = Field(5.0, gt=0)
    child_memory_gigabytes: float = Field(8.0, gt=0.5)
    child_silent_seconds: float = Field(600.0, gt=0)
    pose_weights: Path | None = Path("var/weights/yolov8n-pose.onnx")
    threads: int | None = Field(None, ge=1)
    report_language: Literal["en", "zh"] = "en"
    report_pictures: int = Field(12, ge=0, le=100)

    @property
    def child_limits(self) -> Limits:
        """What a child that reads clips, or judges, may take."""
        return Limits(int(self.child_memory_gigabytes * 1e9), self.child_silent_seconds)
