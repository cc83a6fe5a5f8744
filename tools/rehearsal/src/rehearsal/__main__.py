"""`python -m rehearsal`: plays the loop once as a drill; settings come from REHEARSAL_… variables. The last line is JSON.

`… token ROLE [AREA]` prints a token instead, see `rehearsal.minting`.
"""

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import grpc
import httpx
from devstack.api import ApiError
from devstack.district import District, DistrictError
from devstack.measure import NotRefusedError
from devstack.teller import Teller

from rehearsal import release
from rehearsal.minting import minted
from rehearsal.play import Result, rehearse
from rehearsal.settings import RehearsalSettings, SettingsError, load

BROKEN, WRONG_SETTING = 1, 2
PATIENCE_SECONDS = 20.0  # a release just installed may still be starting a replica


async def _play(settings: RehearsalSettings, teller: Teller) -> Result:
    opened = release.of(settings)
    district = District(
        opened,
        patience=PATIENCE_SECONDS,
        credentials=release.credentials_of(settings),
        verify=release.trust_of(settings),
        area=settings.area,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
            async with asyncio.timeout(settings.seconds):
                return await rehearse(
                    district,
                    teller,
                    Path(folder),
                    start_policy=settings.start_policy,
                    venue_account=opened.venue_account,
                )
    finally:
        await district.close()


def main() -> int:
    """Exit code: 0 the loop closed, 1 it did not, 2 a setting is wrong; each failure is one sentence on standard error."""
    teller = Teller()
    try:
        if sys.argv[1:]:
            sys.stdout.write(minted(sys.argv[1:], sys.stdin) + "\n")
            return 0
        settings = load()
        result = asyncio.run(_play(settings, teller))
    except SettingsError as error:
        sys.stderr.write(f"Cannot start: {error}\n")
        return WRONG_SETTING
    except (ApiError, DistrictError, NotRefusedError) as error:
        said = str(error)
    except httpx.HTTPError as error:
        said = f"the gateway does not answer ({type(error).__name__})"
    except grpc.aio.AioRpcError as error:
        said = f"gRPC answers {error.code().name}: {error.details()}"
    except TimeoutError:
        said = f"not done after {settings.seconds:.0f} s"
    else:
        sys.stdout.write(json.dumps(asdict(result)) + "\n")
        return 0
    sys.stderr.write(f"the loop does not close: {said}\n")
    return BROKEN


if __name__ == "__main__":
    sys.exit(main())
