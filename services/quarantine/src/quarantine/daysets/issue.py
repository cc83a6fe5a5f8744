"""Issues the lists: a change, a card or a whole new base becomes segments, in the log and in the outbox, in one transaction.

Lock order, here and everywhere else in this service: the list's head, the queue of coming days, then the log's head. All
are held to the end of the transaction, so numbers within a list have no gaps and segments of one list commit in order.

What takes time with the number of people is done in a thread: a base of a hundred thousand is a second of work, in which
nobody's approval should wait for the event loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import ledger.store as log
from chassis.events import Event, publish
from daysets import wire
from daysets.segment import NO_CARD, Draft, Entry, build
from ledger.note import Signer
from ledger.store import Db
from passes.cards import card_key
from passes.days import day_number, local_day
from passes.tags import tags_of
from passes.vault import KeyVault

from quarantine.daysets import store
from quarantine.daysets.model import (
    Changes,
    Head,
    Listed,
    coming_days,
    difference,
    lift_decoys,
    pad_cards,
    padded,
    parts,
    parts_needed,
)
from quarantine.restrictions.model import Reason

SUBJECT: Final = "lilitong.quarantine.restricted.v1.segment"
HOLD_BACK: Final = timedelta(minutes=10)

Cards = list[tuple[bytes, bytes]]


class Issuer:
    """Makes segments. `card_number` gives the 16-byte number of a paper card; `hold_back` is how long changes to coming
    days may wait for company; `seal` gives the encrypted trace context of an event.
    """

    def __init__(
        self,
        vault: KeyVault,
        signer: Signer,
        card_number: Callable[[UUID], bytes],
        *,
        seal: Callable[[], bytes],
        hold_back: timedelta = HOLD_BACK,
    ) -> None:
        self._vault = vault
        self._signer = signer
        self._card_number = card_number
        self._seal = seal
        self._hold_back = hold_back

    async def announce(self, conn: Db, drill_id: str, people: Sequence[UUID], now: datetime) -> None:
        """Something about these people's restrictions is about to change in this transaction; `relist` follows.

        Takes the locks of the lists, in the order that keeps flushes and decisions from waiting for each other: the head
        of today's list, then the queue of the coming days, and only then may the caller append to the log.
        """
        today = local_day(now)
        await store.lock_head(conn, today, drill_id)
        await store.queue(conn, coming_days(today), drill_id, people, now + self._hold_back)

    async def relist(self, conn: Db, drill_id: str, people: Sequence[UUID], now: datetime) -> None:
        """It has changed: today's list says so with this transaction's commit. Coming days wait up to `hold_back`."""
        head = await store.lock_head(conn, local_day(now), drill_id)
        if head.generation:
            await self._change(conn, head, people, [])
        else:
            await self._rebase(conn, head)

    async def decided(self, conn: Db, drill_id: str, people: Sequence[UUID], now: datetime) -> None:
        """Both steps, for decisions that have no log entries of their own: lifts."""
        await self.announce(conn, drill_id, people, now)
        await self.relist(conn, drill_id, people, now)

    async def card_changed(self, conn: Db, drill_id: str, card_id: UUID, now: datetime) -> None:
        """A paper card was issued or revoked in this transaction: it goes out with the next sweep, today's first."""
        today = local_day(now)
        await store.queue_card(conn, [today], drill_id, card_id, now)
        await store.queue_card(conn, coming_days(today), drill_id, card_id, now + self._hold_back)

    async def flush(self, conn: Db, day: date, drill_id: str) -> int:
        """Publish all that waits for one list; returns the number of people and cards looked at."""
        head = await store.lock_head(conn, day, drill_id)
        people = await store.take_people(conn, day, drill_id)
        card_ids = await store.take_cards(conn, day, drill_id)
        if not head.generation:
            await self._rebase(conn, head)
        elif people or card_ids:
            await self._change(conn, head, people, await self._cards(conn, day, drill_id, card_ids))
        return len(people) + len(card_ids)

    async def ensure_base(self, conn: Db, day: date, drill_id: str) -> bool:
        """Give the list a base if it has none, or a new one if its changes outweigh it; whether one was made."""
        head = await store.lock_head(conn, day, drill_id)
        if head.generation and not head.worn:
            return False
        await self._rebase(conn, head)
        return True

    async def _change(self, conn: Db, head: Head, people: Sequence[UUID], cards: Cards) -> None:
        changes = await asyncio.to_thread(
            difference,
            await store.wanted(conn, head.day, head.drill_id, people),
            await store.listed(conn, head.day, head.drill_id, people),
        )
        if not changes and not cards:
            return
        await self._note(conn, head, changes)
        lifts = await self._lifts(conn, head, changes.lifted)

        def drafts_of() -> tuple[list[Draft], int]:
            entries = self._entries(head.day, changes.listed) + lifts
            return _drafts(head, head.generation, head.last_number, head.base_parts, entries, cards), len(entries)

        drafts, count = await asyncio.to_thread(drafts_of)
        last, grown = head.last_number + len(drafts), head.change_records + count + len(cards)
        await self._publish(conn, replace(head, last_number=last, change_records=grown), drafts)

    async def _lifts(self, conn: Db, head: Head, lifted: Sequence[Listed]) -> list[Entry]:
        """Lifts, hidden among lifts of decoys."""
        if not lifted:
            return []
        segments = [wire.decode(data) for data in await store.generation(conn, head)]
        people = await store.ever_listed(conn, head.day, head.drill_id)
        real = set(tags_of(self._vault.day_key(head.day), [person.bytes for person in people]))
        return self._entries(head.day, lifted, lift=True) + lift_decoys(segments, real, len(lifted))

    async def _rebase(self, conn: Db, head: Head) -> None:
        """A new generation with everybody who should be on the list. Unchanged entries keep their references."""
        listed = await store.listed(conn, head.day, head.drill_id, None)
        wanted = await store.wanted(conn, head.day, head.drill_id, None)
        changes = await asyncio.to_thread(difference, wanted, listed)
        await self._note(conn, head, changes)
        cards = await self._cards(conn, head.day, head.drill_id, None)

        def drafts_of() -> tuple[list[Draft], int]:
            retired = {entry.reference for entry in changes.retired}
            kept = [entry for entry in listed.values() if entry.reference not in retired]
            entries = self._entries(head.day, [*kept, *changes.listed])
            return _drafts(head, head.generation + 1, 0, None, entries, cards), len(entries)

        drafts, count = await asyncio.to_thread(drafts_of)
        parts_now = len(drafts)
        fresh = Head(head.day, head.drill_id, head.generation + 1, parts_now, parts_now, count + len(cards), 0)
        await self._publish(conn, fresh, drafts)

    async def _note(self, conn: Db, head: Head, changes: Changes) -> None:
        if changes.retired:
            await store.retire(conn, head.day, changes.retired)
        if changes.listed:
            await store.enlist(conn, head.day, head.drill_id, changes.listed)

    def _entries(self, day: date, listed: Sequence[Listed], *, lift: bool = False) -> list[Entry]:
        tags = tags_of(self._vault.day_key(day), [entry.resident_id.bytes for entry in listed]) if listed else []
        return [
            Entry(tag, entry.reason, entry.reference, None if lift else entry.end_minute, lift)
            for tag, entry in zip(tags, listed, strict=True)
        ]

    async def _cards(self, conn: Db, day: date, drill_id: str, card_ids: Sequence[UUID] | None) -> Cards:
        rows = await store.cards(conn, drill_id, card_ids)
        tags = tags_of(self._vault.day_key(day), [row["resident_id"].bytes for row in rows]) if rows else []
        return [
            (card_key(day, self._card_number(row["card_id"])), tag if row["valid"] else NO_CARD)
            for row, tag in zip(rows, tags, strict=True)
        ]

    async def _publish(self, conn: Db, head: Head, drafts: Sequence[Draft]) -> None:
        appended = await log.append(conn, [draft.leaf() for draft in drafts])
        indexes = [appended.first_index + offset for offset in range(len(drafts))]
        proofs = await log.inclusion_proofs(conn, indexes, appended.size)
        checkpoint = appended.checkpoint(self._signer)
        segments = [
            draft.prove(index, appended.size, proof, checkpoint)
            for draft, index, proof in zip(drafts, indexes, proofs, strict=True)
        ]
        await store.save_segments(conn, head, [(segment.number, wire.encode(segment)) for segment in segments])
        await store.save_head(conn, head)
        aggregate = f"restricted/{day_number(head.day)}/{head.drill_id}"
        await publish(
            conn,
            [
                Event.of(
                    wire.to_message(segment), subject=SUBJECT, aggregate=aggregate, day=head.day, drill_id=head.drill_id
                )
                for segment in segments
            ],
            seal=self._seal,
        )


def _drafts(
    head: Head, generation: int, after: int, base_parts: int | None, entries: Sequence[Entry], cards: Cards
) -> list[Draft]:
    """The records as segments numbered from `after` on; `base_parts` is their own number when they are a base themselves."""
    count = parts_needed(len(entries), len(cards))
    return [
        build(
            day=head.day,
            generation=generation,
            number=after + offset,
            base_parts=count if base_parts is None else base_parts,
            drill_id=head.drill_id,
            entries=padded(some, reason=Reason.CLOSE_CONTACT),
            cards=pad_cards(some_cards),
        )
        for offset, (some, some_cards) in enumerate(
            zip(parts(entries, count), parts(cards, count), strict=True), start=1
        )
    ]
