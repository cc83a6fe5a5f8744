import hashlib

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import merkle
from ledger.merkle import Frontier

pytestmark = pytest.mark.feature("X3")

# The eight leaves and the roots of all prefixes that implementations of RFC 6962 publish as their common test data.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % n) for n in range(count)]


def reference_root(leaf_hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1 word for word."""
    if not leaf_hashes:
        return hashlib.sha256().digest()
    if len(leaf_hashes) == 1:
        return leaf_hashes[0]
    split = 1
    while split * 2 < len(leaf_hashes):
        split *= 2
    left, right = reference_root(leaf_hashes[:split]), reference_root(leaf_hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def prove(plan: list[list[merkle.NodeId]], leaf_hashes: list[bytes]) -> list[bytes]:
    """A proof from nothing but leaves: each node's hash is the reference root of the leaves below it."""

    def node(level: int, position: int) -> bytes:
        return reference_root(leaf_hashes[position << level : (position + 1) << level])

    return [merkle.fold([node(*wanted) for wanted in part]) for part in plan]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size):
    assert merkle.root([merkle.leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


def test_the_path_of_the_sixth_of_seven_leaves_is_that_of_the_rfc():
    """RFC 6962 §2.1.3 works this example: with leaves a…g hashed to a…j, the path of d5 is its sibling, d6, then the left half."""
    leaf_hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES[:7]]
    d4, d6 = leaf_hashes[4], leaf_hashes[6]
    assert [d4, d6, reference_root(leaf_hashes[:4])] == prove(merkle.inclusion_plan(5, 7), leaf_hashes)


@pytest.mark.parametrize("size", range(1, 65))
def test_every_leaf_of_every_small_tree_is_proven_as_pymerkle_does(size):
    other = pymerkle.InmemoryTree(algorithm="sha256")
    for n in range(size):
        other.append_entry(b"leaf %d" % n)
    leaf_hashes = hashes(size)
    root = merkle.root(leaf_hashes)
    assert other.get_root(size) == root == reference_root(leaf_hashes)
    for index in range(size):
        proof = prove(merkle.inclusion_plan(index, size), leaf_hashes)
        theirs = other.prove_inclusion(index + 1, size)
        # pymerkle's path begins with the leaf itself.
        assert theirs.path[1:] == proof
        assert merkle.verify_inclusion(leaf_hashes[index], index, size, proof, root)


@given(st.integers(1, 64).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))), st.data())
def test_an_altered_proof_proves_nothing(place, data):
    index, size = place
    leaf_hashes = hashes(size)
    root, proof = merkle.root(leaf_hashes), prove(merkle.inclusion_plan(index, size), leaf_hashes)
    verify = merkle.verify_inclusion
    other_index = data.draw(st.integers(-1, size + 1).filter(lambda n: n != index))
    assert not verify(leaf_hashes[index], other_index, size, proof, root)
    assert not verify(merkle.leaf_hash(b"other"), index, size, proof, root)
    assert not verify(leaf_hashes[index], index, size, [*proof, root], root)
    assert not verify(leaf_hashes[index], index, size, proof, merkle.leaf_hash(root))
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        assert not verify(leaf_hashes[index], index, size, [*proof[:at], flipped, *proof[at + 1 :]], root)
        assert not verify(leaf_hashes[index], index, size, proof[:-1], root)
        assert not verify(leaf_hashes[index], index, size, [*proof[:at], proof[at][:31], *proof[at + 1 :]], root)


@pytest.mark.parametrize("mark", [b"", b"\x01"])
def test_an_inner_node_cannot_pose_as_a_leaf(mark):
    """The bytes that an inner node is hashed from, its mark included, make no leaf with the same hash."""
    left, right = hashes(2)
    root = merkle.root([left, right])
    assert not merkle.verify_inclusion(merkle.leaf_hash(mark + left + right), 0, 1, [], root)


@pytest.mark.parametrize("size", range(1, 33))
def test_every_prefix_is_consistent_and_no_other_history_is(size):
    leaf_hashes = hashes(size)
    root = merkle.root(leaf_hashes)
    for first in range(1, size + 1):
        old = merkle.root(leaf_hashes[:first])
        proof = prove(merkle.consistency_plan(first, size), leaf_hashes)
        assert merkle.verify_consistency(first, old, size, root, proof)
        assert not merkle.verify_consistency(first, merkle.leaf_hash(old), size, root, proof)
        assert not merkle.verify_consistency(first, old, size, merkle.leaf_hash(root), proof)
        assert not merkle.verify_consistency(first, old, size, root, [*proof, root])


@given(st.lists(st.integers(0, 20), max_size=8))
def test_a_tree_grown_in_batches_has_the_root_of_one_grown_at_once(batches):
    leaf_hashes, frontier = hashes(sum(batches)), Frontier()
    for count in batches:
        frontier = frontier.append(leaf_hashes[frontier.size : frontier.size + count])
    assert frontier.size == sum(batches)
    assert frontier.root() == reference_root(leaf_hashes)


def test_what_is_not_in_the_tree_has_no_plan():
    for index, size in ((0, 0), (1, 1), (-1, 4), (0, merkle.MAX_SIZE + 1)):
        with pytest.raises(ValueError, match="not in a tree"):
            merkle.inclusion_plan(index, size)
    for first, size in ((0, 4), (5, 4)):
        with pytest.raises(ValueError, match="not a prefix"):
            merkle.consistency_plan(first, size)
    with pytest.raises(ValueError, match="one peak per bit"):
        Frontier(3, (bytes(32),))
