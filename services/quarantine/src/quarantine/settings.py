"""What the service is told by its environment, as QUARANTINE_… variables."""

from typing import Annotated

from chassis.settings import Folder, ReadableFolder, ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class QuarantineSettings(ServiceSettings):
    """Beside what every service is told.

    vault: folder of the key vault: day keys, signing keys, secrets; made at first use; vault_provided: folder of a
    mounted secret whose files go before it. log_origin: name of the
    transparency log in its signed checkpoints; it never changes in a log's life. future_flush_seconds: how long a change
    to the lists of coming days may wait for company. pool_size: connections to Postgres. start_seconds: how long the
    start may wait for Postgres.
    """

    model_config = SettingsConfigDict(env_prefix="QUARANTINE_")

    vault: Folder
    vault_provided: ReadableFolder | None = None
    log_origin: Annotated[str, Field(pattern=r"^[^\s+]{1,200}$", description="a name without spaces and +")] = (
        "lilitong/quarantine"
    )
    future_flush_seconds: Annotated[float, Field(gt=0, le=3600)] = 600.0
    pool_size: Annotated[int, Field(ge=6, le=100)] = 16
    start_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
