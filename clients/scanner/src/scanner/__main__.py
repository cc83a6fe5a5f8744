"""Entry of `lilitong-scanner` and `python -m scanner`; what it does is in `scanner.program`."""

import io
import os
import sys


def main() -> int:
    """Runs the program with the command line's arguments; returns its exit code."""
    # Staff read verdicts here, not the transport's remarks on connections. It reads this when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # A screen that cannot show a letter must not stop a gate.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    from scanner.program import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
