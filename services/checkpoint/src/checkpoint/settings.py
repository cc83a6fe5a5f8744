"""What the service is told by its environment, `CHECKPOINT_…`."""

from typing import Annotated

from chassis.settings import ServiceSettings, Target
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class CheckpointSettings(ServiceSettings):
    """quarantine_target: host:port of the quarantine service. pool_size: connections beside the two of the scans."""

    model_config = SettingsConfigDict(env_prefix="CHECKPOINT_")

    quarantine_target: Target
    pool_size: Annotated[int, Field(ge=4, le=100)] = 10
