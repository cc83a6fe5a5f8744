"""Quarantine's part of the closed loop, put together: policy, cases, restrictions, day sets, drills."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from chassis.clock import Clock
from chassis.events import Subscription
from chassis.sweep import Sweep
from ledger.note import Signer
from lilitong.quarantine.v1.case_pb2_grpc import add_CaseServiceServicer_to_server
from lilitong.quarantine.v1.contact_pb2_grpc import add_ContactServiceServicer_to_server
from lilitong.quarantine.v1.day_set_pb2_grpc import add_DaySetServiceServicer_to_server
from lilitong.quarantine.v1.drill_pb2_grpc import add_DrillServiceServicer_to_server
from lilitong.quarantine.v1.policy_pb2_grpc import add_PolicyServiceServicer_to_server
from lilitong.quarantine.v1.restriction_pb2_grpc import add_RestrictionServiceServicer_to_server
from passes.vault import KeyVault

from quarantine.cases.approving import Approving
from quarantine.cases.contact_rpc import ContactRpc
from quarantine.cases.events import Exposures
from quarantine.cases.rpc import CaseRpc
from quarantine.daysets import keeping
from quarantine.daysets.issue import HOLD_BACK, Issuer
from quarantine.daysets.rpc import DaySetRpc
from quarantine.drills.rpc import DrillRpc
from quarantine.people.wrapping import Wrapping
from quarantine.policy.rpc import PolicyRpc
from quarantine.recalls import events as recalls
from quarantine.recalls.events import Recalls
from quarantine.restrictions import retention
from quarantine.restrictions.deciding import Deciding
from quarantine.restrictions.impose import Imposer
from quarantine.restrictions.rpc import RestrictionRpc
from quarantine.restrictions.sealing import Sealer

LOG_KEY: Final = "log"
"""Name of the log's signing key in the vault, where nobody names another."""
APPROVERS: Final = "approver-names"


@dataclass(slots=True)
class Loop:
    """Everything `app.py` registers. `servicers` are pairs of a servicer and its generated `add_…_to_server`."""

    servicers: list[tuple[object, Callable[[Any, Any], None]]]
    exposures: Exposures
    recalls: Recalls
    imposer: Imposer
    issuer: Issuer
    keeper: keeping.Keeper
    retention: retention.Retention
    signer: Signer = field(repr=False)

    def subscriptions(self, **options: Any) -> list[Subscription]:
        """What is read from VENUE and CHECKPOINT; `options` as for `Subscription`."""
        return [*self.exposures.subscriptions(**options), *self.recalls.subscriptions(**options)]

    def register(self, sweep: Sweep) -> None:
        """The jobs of the sweep."""
        sweep.register("day sets", keeping.TICK_SECONDS, self.keeper.tick)
        sweep.register("day sets forget", 3600.0, self.keeper.forget)
        sweep.register("evidence", retention.SWEEP_SECONDS, self.retention.purge)
        sweep.register("lot interviews", recalls.SWEEP_SECONDS, self.recalls.forget)


def build(
    pool: asyncpg.Pool,
    clock: Clock,
    vault: KeyVault,
    *,
    log_name: str,
    log_key: str = LOG_KEY,
    card_number: Callable[[UUID], bytes],
    published: Callable[[], None],
    seal: Callable[[], bytes],
    hold_back: timedelta = HOLD_BACK,
    wrapping: Wrapping | None = None,
) -> Loop:
    """Wire the loop's part of the service.

    `log_name` is the log's origin in signed notes, `log_key` the vault's name of the key that signs them. `card_number`
    gives a paper card's 16-byte number. `published` is the relay's `wake`; `seal` the encrypted trace context of an event.
    `hold_back` bounds how long changes to coming days wait. `wrapping`: of people's data keys; the vault's first by default.
    """
    signer = Signer(log_name, vault.ed25519_key(log_key))
    sealer = Sealer(wrapping or Wrapping.of(vault), vault.secret(APPROVERS))
    issuer = Issuer(vault, signer, card_number, seal=seal, hold_back=hold_back)
    imposer = Imposer(pool, sealer, issuer, clock, published=published)
    deciding = Deciding(sealer, issuer)
    cases = CaseRpc(pool, clock, Approving(vault, sealer, seal), published=published, confirmed=imposer.wake)
    restrictions = RestrictionRpc(pool, clock, deciding, sealer, signer, published=published)
    return Loop(
        servicers=[
            (PolicyRpc(pool, clock), add_PolicyServiceServicer_to_server),
            (cases, add_CaseServiceServicer_to_server),
            (ContactRpc(pool, clock, sealer), add_ContactServiceServicer_to_server),
            (restrictions, add_RestrictionServiceServicer_to_server),
            (DaySetRpc(pool, clock), add_DaySetServiceServicer_to_server),
            (DrillRpc(pool, clock, issuer, published), add_DrillServiceServicer_to_server),
        ],
        exposures=Exposures(vault, sealer, imposer.wake),
        recalls=Recalls(pool, clock, vault),
        imposer=imposer,
        issuer=issuer,
        keeper=keeping.Keeper(pool, issuer, clock, published=published),
        retention=retention.Retention(pool, clock),
        signer=signer,
    )
