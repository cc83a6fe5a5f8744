"""`python -m rehearsal token ROLE [AREA]`: a token of a quickstart's own issuer, to try the release with; it holds for an hour.

The issuer's private key (PEM, P-256) comes on standard input, so that it stands in no command line and on no disk;
REHEARSAL_ISSUER and REHEARSAL_AUDIENCE say what the release expects.
"""

import os
import re
from collections.abc import Sequence
from typing import Final, TextIO

from devstack.tokens import AUDIENCE, DISTRICT, HOUR, Signer
from joserfc.jwk import ECKey

from rehearsal.settings import PREFIX, SettingsError

_ROLE: Final = re.compile(r"[a-z]+(_[a-z]+)*")
_AREA: Final = re.compile(r"\d{2,12}")
_WANTED: Final = "python -m rehearsal takes nothing, or `token ROLE [AREA]` with the issuer's key on standard input"


def minted(arguments: Sequence[str], key: TextIO) -> str:
    """The token that `token ROLE [AREA]` asks for. Raises SettingsError."""
    match arguments:
        case ["token", role]:
            area = DISTRICT
        case ["token", role, area]:
            pass
        case _:
            raise SettingsError(_WANTED)
    if not _ROLE.fullmatch(role) or not _AREA.fullmatch(area):
        raise SettingsError(_WANTED)
    issuer = os.environ.get(f"{PREFIX}ISSUER", "")
    if not issuer:
        raise SettingsError(f"{PREFIX}ISSUER is missing, the `iss` claim that the release expects")
    try:
        signing = ECKey.import_key(key.read())
    except ValueError as error:
        raise SettingsError(f"there is no private key in PEM on standard input: {error}") from None
    audience = os.environ.get(f"{PREFIX}AUDIENCE", AUDIENCE)
    signer = Signer(signing, kid=signing.thumbprint(), issuer=issuer, audience=audience)
    return signer.person(f"try-{role.replace('_', '-')}", [role], [area], seconds=HOUR)
