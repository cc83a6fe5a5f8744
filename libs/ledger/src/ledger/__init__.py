"""The transparency log: Merkle tree over Postgres, signed checkpoints, proofs and an offline verifier."""
