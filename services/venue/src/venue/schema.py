"""Which migrations make this service's schema, so that migration and start-up stay apart."""

from pathlib import Path
from typing import Final

SCHEMA: Final = "venue"


def migration_dirs(root: Path) -> list[Path]:
    """The migration folders, in order; `root` holds libs/ and services/ (the repository, or the image's folder)."""
    libraries = [root / "libs" / library / "migrations" for library in ("chassis", "daysets", "ledger")]
    return [*libraries, root / "services/venue/migrations"]
