"""`python -m gateway.documentation` prints the OpenAPI document as it is committed in docs/api/openapi.json."""

import sys

from gateway.documentation.document import text

sys.stdout.write(text())
