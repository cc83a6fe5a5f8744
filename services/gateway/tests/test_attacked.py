"""What the attack on the running system found, each held here without it."""

import json

import pytest

pytestmark = pytest.mark.feature("R9")
ID = "fefa8f19-29be-5cd4-8c6f-b2a09488bb52"
JSON = {"Content-Type": "application/json"}


def invalid(response):
    assert (response.status_code, response.json()["reason"]) == (400, "INVALID_REQUEST"), response.text
    return response.json()["errors"]


async def test_numbers_beyond_what_the_stores_hold_are_refused_before_a_service_is_asked(door):
    for verb, path in (("POST", "codes"), ("DELETE", "code"), ("POST", "screen-secrets")):
        for zone in (2**31, 2**32 - 1):
            response = await door.client.request(
                verb, f"/v1/zones/{zone}/{path}", headers=door.headers("venue_officer")
            )
            assert [error["parameter"] for error in invalid(response)] == ["zone"]
    rules = {
        "infectious_days_before": 2, "close_contact_minutes": 10, "close_contact_days": 7, "case_days": 10,
        "largest_zone": 2**31, "impact_cap": 2**32 - 1, "passage_minutes": 10,
    }  # fmt: skip
    policy = {"policy_id": ID, "title": "x", "rules": rules, "effective_from": "2022-03-10T00:00:00Z"}
    response = await door.client.post("/v1/policies", headers=door.headers("policy_editor"), json=policy)
    assert {error["pointer"] for error in invalid(response)} == {"/rules/largest_zone", "/rules/impact_cap"}
    assert not door.peers.asked


@pytest.mark.parametrize("text", ["-" * 36, "a" * 36, ID.replace("-", "a"), f"{ID[:-1]}g"])
async def test_a_filter_by_case_takes_ids_only(door, text):
    query = {"area": "141102", "case_id": text}
    response = await door.client.get("/v1/interview-tasks", headers=door.headers("tracer"), params=query)
    assert [error["parameter"] for error in invalid(response)] == ["case_id"]
    assert not door.peers.asked


async def test_a_refusal_is_not_larger_than_what_it_refuses(door):
    """A body of many unknown fields, or of a list of many wrong items, is answered with the first faults alone."""
    many = {f"f{number}": 1 for number in range(20_000)}
    household = {"household_id": ID, "area": "141102001001", "address": "x", "channel": "self"}
    for body in (many, household | {"residents": [7] * 20_000}, household | {"residents": [{}] * 20_000}):
        response = await door.client.post("/v1/households", headers=door.headers("registrar"), json=body)
        assert 1 <= len(invalid(response)) <= 50
        assert len(response.content) < 8192


@pytest.mark.parametrize("name", ["张三 110101199001011234", "<script>", "a" * 65, "", "x\r\nset-cookie: y", "a.b[0]"])
async def test_names_that_no_field_has_are_not_quoted(door, name):
    response = await door.client.post("/v1/cases", headers=door.headers("tracer"), json={name: 1, "colour": 1})
    assert invalid(response) == [
        {"pointer": "", "detail": "has something that is not a field of this request"},
        {"pointer": "/colour", "detail": "is not a field of this request"},
    ]
    assert not name or name not in json.dumps(response.json(), ensure_ascii=False)


async def test_a_purposes_reference_is_documented_as_it_is_checked(door):
    from chassis.rpc.admission import _REFERENCE
    from gateway.documentation.document import document

    parameters = document()["paths"]["/v1/households/{household_id}"]["get"]["parameters"]
    (reference,) = [one["schema"] for one in parameters if one["name"] == "X-Purpose-Ref"]
    assert reference["pattern"].strip("^$") == _REFERENCE.pattern.replace(r"\x21-\x7e", "!-~")
