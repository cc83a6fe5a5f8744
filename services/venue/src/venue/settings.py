"""What the service is told by its environment, as VENUE_… variables."""

from typing import Annotated

from chassis.settings import Folder, ReadableFolder, ServiceSettings, Target
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class VenueSettings(ServiceSettings):
    """Beside what every service is told.

    vault: folder of the key vault with the venue codes' signing key and the screens' secret, made at first use;
    vault_provided: folder of a mounted secret whose files go before it.
    log_origin: name of the service's transparency log in its signed checkpoints; it never changes in a log's life.
    photo_store: URL of the object store of inspections' photos, e.g. `s3://bucket/prefix`; "" is a folder beside the vault.
    verification_url: address in the documents' QR codes, with `{verification_id}` in it; poster_body: who issues posters.
    quarantine_target: `host:port` of the service that publishes the restricted list. pool_size: connections to Postgres;
    commit_connections: those of them that write check-ins at the same time.
    """

    model_config = SettingsConfigDict(env_prefix="VENUE_")

    vault: Folder
    vault_provided: ReadableFolder | None = None
    log_origin: Annotated[str, Field(pattern=r"^[^\s+]{1,200}$", description="a name without spaces and +")] = (
        "lilitong/venue"
    )
    photo_store: Annotated[str, Field(pattern=r"^([a-z0-9]+://.+)?$", description="a URL such as s3://bucket")] = ""
    verification_url: Annotated[
        str, Field(pattern=r"^https?://.+\{verification_id\}", description="a URL with {verification_id}")
    ] = "http://localhost:8080/v1/document-verifications/{verification_id}"
    poster_body: Annotated[str, Field(min_length=1, max_length=60)] = "离石区疫情防控办公室"
    quarantine_target: Target
    pool_size: Annotated[int, Field(ge=6, le=100)] = 12
    commit_connections: Annotated[int, Field(ge=1, le=4)] = 2
