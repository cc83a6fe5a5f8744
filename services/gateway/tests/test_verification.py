"""The open page: anybody may ask, at a bounded rate, and gets nothing but the paper's own words."""

import pytest
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import document_pb2 as pb

pytestmark = pytest.mark.feature("V8")
PATH = "/v1/document-verifications/mfrggzdfmztwq2lknnwg23tpoa"


def told(**given):
    fields = {
        "genuine": True, "in_force": True, "standing": pb.DOCUMENT_STANDING_IN_FORCE, "kind": pb.DOCUMENT_KIND_RED_CARD,
        "number": "离防红〔2022〕24号", "issuing_body": "莲花池街道疫情防控办公室", "venue_name": "便民超市",
    }  # fmt: skip
    found = pb.DocumentVerification(**fields | given)
    found.issued_at.FromJsonString("2022-03-10T17:00:00Z")
    found.checked_at.FromJsonString("2022-03-11T04:00:00Z")
    return pb.VerifyDocumentResponse(verification=found)


@pytest.mark.case("happy path")
async def test_anybody_is_answered_without_credentials_and_none_are_handed_on(door):
    door.peers.answers["VerifyDocument"] = told()
    response = await door.client.get(PATH)
    assert response.status_code == 200
    assert response.json()["number"] == "离防红〔2022〕24号"
    assert (response.json()["genuine"], response.json()["standing"]) == (True, "in_force")
    assert door.peers.last.request.verification_id == "mfrggzdfmztwq2lknnwg23tpoa"
    await door.client.get(PATH, headers={"Authorization": "Bearer nonsense"})
    assert door.peers.last.incoming.authorization == ""


@pytest.mark.feature("X9")
async def test_a_browser_gets_a_page_in_chinese_and_english_that_fetches_nothing(door):
    door.peers.answers["VerifyDocument"] = told()
    response = await door.client.get(PATH, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    # One policy, and one that lets the page's own style be: browsers hold a page against all that they are told.
    (policy,) = response.headers.get_list("content-security-policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert response.headers.get_list("referrer-policy") == ["no-referrer"]
    for words in (
        "真实有效",
        "Genuine and in force",
        "离防红〔2022〕24号",
        "红牌",
        "Red card",
        "便民超市",
        "2022-03-11",
    ):
        assert words in response.text
    assert not [each for each in ("http://", "https://", "<script", "src=", "@import") if each in response.text]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"genuine": False}, ("查无此文书", "Not genuine")),
        ({"standing": pb.DOCUMENT_STANDING_ANNULLED}, ("已撤销", "annulled")),
        ({"standing": pb.DOCUMENT_STANDING_SUPERSEDED}, ("已被新文书取代", "superseded")),
        ({"standing": pb.DOCUMENT_STANDING_ENDED}, ("已失效", "no longer in force")),
        ({"drill": True}, ("演练", "Drill")),
    ],
)
async def test_the_page_says_what_is_wrong_with_a_paper(door, given, words):
    door.peers.answers["VerifyDocument"] = told(**given)
    text = (await door.client.get(PATH, headers={"Accept": "text/html"})).text
    assert [each for each in words if each not in text] == []


async def test_what_stands_in_a_document_is_never_run_by_the_browser(door):
    door.peers.answers["VerifyDocument"] = told(venue_name='<img src=x onerror="alert(1)">', issuing_body="{0}&<b>")
    text = (await door.client.get(PATH, headers={"Accept": "text/html"})).text
    assert "<img" not in text
    assert "{0}&amp;&lt;b&gt;" in text


async def test_whoever_asks_too_fast_is_told_to_wait_and_reaches_nobody(make_door):
    door = make_door(verification_burst=2, verification_rate=0.001)
    door.peers.answers["VerifyDocument"] = told()
    codes = [(await door.client.get(PATH)).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    refused = await door.client.get(PATH)
    assert refused.json()["reason"] == "RATE_LIMITED"
    assert int(refused.headers["retry-after"]) > 0
    assert len(door.peers.asked) == 2


@pytest.mark.case("bad input")
async def test_an_id_that_is_too_long_is_refused_and_an_absent_service_is_said(door):
    response = await door.client.get("/v1/document-verifications/" + "a" * 65)
    assert (response.status_code, response.json()["reason"]) == (400, "INVALID_REQUEST")
    assert not door.peers.asked
    door.peers.answers["VerifyDocument"] = DomainError(Kind.UNAVAILABLE, "AWAY", "Not now.")
    assert (await door.client.get(PATH)).status_code == 503


@pytest.mark.parametrize("accept", ["application/pdf", "text/html, application/pdf;q=0.9"])
async def test_a_sheet_is_given_as_the_file_itself_to_who_accepts_it(door, accept):
    door.peers.answers["RenderDocument"] = pb.RenderDocumentResponse(data=b"%PDF-1.7", media_type="application/pdf")
    path = "/v1/documents/6f9619ff-8b86-4d01-b42d-00cf4fc964ff/sheet"
    response = await door.client.get(path, headers=door.headers("auditor") | {"Accept": accept})
    assert (response.content, response.headers["content-type"]) == (b"%PDF-1.7", "application/pdf")
    response = await door.client.get(path, headers=door.headers("auditor") | {"Accept": "*/*"})
    assert response.json()["media_type"] == "application/pdf"


@pytest.mark.feature("X9")
async def test_a_browser_gets_a_page_also_when_nothing_can_be_said(make_door):
    door, html = make_door(verification_burst=2, verification_rate=0.001), {"Accept": "text/html"}
    forged = await door.client.get("/v1/document-verifications/" + "a" * 65, headers=html)
    assert (forged.status_code, "查无此文书" in forged.text) == (400, True)
    door.peers.answers["VerifyDocument"] = DomainError(Kind.UNAVAILABLE, "AWAY", "Not now.")
    away = await door.client.get(PATH, headers=html)
    assert (away.status_code, "请稍后再试" in away.text, "查无此文书" in away.text) == (503, True, False)
    hurried = await door.client.get(PATH, headers=html)
    assert (hurried.status_code, "请稍后再试" in hurried.text) == (429, True)
    for response in (forged, away, hurried):
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
    assert int(hurried.headers["retry-after"]) > 0
