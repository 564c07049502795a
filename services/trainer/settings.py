"""What can be set for the trainer."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import CommonSettings


class Settings(CommonSettings):
    """Prefix `TRAINER_`. `work_folder` holds runs in progress and cached images; it may be lost at any time.

    `stop_seconds`: how long a child may take for its last words. `checkpoint_seconds`: at most one upload in that time;
    it is also what the loss of a machine costs.
    """

    model_config = SettingsConfigDict(env_prefix="TRAINER_")

    work_folder: Path = Path("var/trainer")
    cache_gigabytes: float = Field(5.0, gt=0)
    weights_folder: Path | None = Path("var/weights")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda:\d+)$")
    pose_weights: str = "yolov8n-pose.onnx"
    features_seconds: float = Field(900.0, gt=0)
    features_memory_bytes: int = Field(4 * 1024**3, ge=256 * 1024**2)
    threads: int | None = Field(None, ge=1)
    stop_seconds: float = Field(30.0, gt=0)
    checkpoint_seconds: float = Field(20.0, ge=0)
