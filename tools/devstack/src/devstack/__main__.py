"""`python -m devstack`: starts the command line, or says in one sentence what is missing for it.

Written so that any Python 3 can read it: an old one must be able to say that it is too old.
"""

import sys

NEEDED = (3, 11)


def lacking(version: "tuple[int, ...]") -> str:
    """What to do about a Python that is too old; empty when it is not."""
    if tuple(version[:2]) >= NEEDED:
        return ""
    return "Python 3.11 or newer is needed, this is {}.{}; run `make setup PYTHON=python3.11`".format(*version)


def main() -> int:
    """Exit code of the program."""
    sentence = lacking(tuple(sys.version_info[:2]))
    if not sentence:
        try:
            from devstack.cli import run
        except ModuleNotFoundError as error:
            sentence = f"the package {error.name} is not installed here; run `make setup`"
        else:
            return run(sys.argv[1:])
    sys.stderr.write("lilitong: " + sentence + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
