"""What the gateway is told by its environment, as GATEWAY_… variables."""

from typing import Annotated

from chassis.settings import ProcessSettings, Target
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class GatewaySettings(ProcessSettings):
    """Beside what every process is told.

    Targets: `host:port` of the services behind. Limits hold per caller and per gateway process: a sustained rate in
    requests per second and a burst. `batches_in_flight`: check-in batches of one caller on the way at the same time.
    `verification_rate`, `verification_burst`: of what anybody may look up, per address: documents, and published
    spot checks apart from them.
    `body_limit`, `batch_body_limit`: bytes.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    quarantine_target: Target
    venue_target: Target
    checkpoint_target: Target
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 500.0
    burst: Annotated[int, Field(ge=1)] = 1000
    check_in_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20_000.0
    check_in_burst: Annotated[int, Field(ge=1)] = 40_000
    verification_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    verification_burst: Annotated[int, Field(ge=1)] = 30
    batches_in_flight: Annotated[int, Field(ge=1, le=16)] = 2
    body_limit: Annotated[int, Field(ge=1024)] = 1024 * 1024
    batch_body_limit: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    access_log: bool = True
