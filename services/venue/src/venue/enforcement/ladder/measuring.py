"""What a failed inspection of a venue leads to: its step, its terms and its papers, in the transaction that records it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.pool import Connection

from venue.documents.issue import issue
from venue.documents.model import DocumentKind, NewDocument
from venue.enforcement.inspections.model import Checklist, Inspection, Outcome
from venue.enforcement.ladder import model, store
from venue.enforcement.ladder.book import Book
from venue.enforcement.ladder.facts import Inspected, Issued, Terms
from venue.enforcement.ladder.store import NewFact
from venue.enforcement.policies.model import Paper, Policy


async def measure(conn: Connection, book: Book, inspection: Inspection, checklist: Checklist) -> Inspected:
    """Add the inspection to the venue's facts. A failed one becomes a measure, if a policy is in force in the area."""
    fact = Inspected(
        ordinal=book.next_ordinal,
        fact_id=inspection.inspection_id,
        actor=inspection.recorded_by,
        happened_at=inspection.inspected_at,
        recorded_at=inspection.recorded_at,
        passed=inspection.passed,
        inspectors=inspection.inspectors,
        reinspects=inspection.reinspects,
    )
    policy = book.policy
    if inspection.passed or policy is None:
        await book.add(conn, NewFact(fact))
        return fact
    terms = terms_of(policy, model.step_of_next(book.facts, policy, book.now), book.now)
    fact = replace(fact, terms=terms)
    printed = content(book, inspection, checklist, terms)
    papers = [
        await issue_paper(conn, book, inspection.inspection_id, terms, paper, printed)
        for paper in terms.rules.issued_at_once
    ]
    fact = replace(fact, papers=tuple(papers))
    await book.add(conn, NewFact(fact))
    await store.insert_measure(conn, book.venue.venue_id, fact, terms)
    await store.insert_papers(conn, fact.fact_id, papers)
    return fact


def terms_of(policy: Policy, step: int, now: datetime) -> Terms:
    rules = policy.rules.steps[step - 1]
    return Terms(
        policy_id=policy.policy_id,
        policy_version=policy.version,
        step=step,
        rules=rules,
        rectify_by=now + timedelta(hours=rules.rectify_hours),
        reinspect_hours=policy.rules.reinspect_hours,
        climb_hours=policy.rules.climb_hours,
        issuing_body=policy.rules.issuing_body,
    )


async def issue_paper(
    conn: Connection, book: Book, measure_id: UUID, terms: Terms, paper: Paper, printed: Mapping[str, Any]
) -> Issued:
    """Number a paper of the measure and keep it. `printed`: JSON values that stand on it."""
    document = await issue(
        conn,
        NewDocument(
            kind=DocumentKind(int(paper)),
            venue_id=book.venue.venue_id,
            issuing_body=terms.issuing_body,
            content=printed,
            issued_at=book.now,
            source_id=measure_id,
            drill_id=book.venue.drill_id,
        ),
    )
    return Issued(paper, document.document_id, document.text)


def content(book: Book, inspection: Inspection, checklist: Checklist, terms: Terms) -> dict[str, Any]:
    """What is printed on the papers of a failed inspection."""
    texts = {item.item: item for item in checklist.items}
    return {
        "venue": {"name": book.venue.name, "address": book.venue.address, "category": book.venue.category},
        "inspection_id": str(inspection.inspection_id),
        "inspected_at": inspection.inspected_at.isoformat(),
        "inspectors": list(inspection.inspectors),
        "findings": [
            {
                "item": finding.item,
                "text_zh": texts[finding.item].text_zh,
                "outcome": finding.outcome.name.lower(),
                "remark": finding.remark,
            }
            for finding in inspection.findings
        ],
        "failed": [
            {"item": finding.item, "text_zh": texts[finding.item].text_zh, "remark": finding.remark}
            for finding in inspection.findings
            if finding.outcome is Outcome.FAILED
        ],
        "step": terms.step,
        "policy_id": str(terms.policy_id),
        "policy_version": terms.policy_version,
        "rectify_by": terms.rectify_by.isoformat(),
        "proposed_suspension_days": terms.rules.suspension_days,
    }


def numbers(papers: Sequence[Issued], paper: Paper) -> str:
    """The number of the paper of that kind, "" if there is none."""
    return next((each.number for each in papers if each.paper is paper), "")
