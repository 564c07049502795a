"""Is the training back-end installed? Asked without importing it: that takes seconds, and it writes into the user's folder."""

import pytest

from services.trainer.training.protocol import BACKENDS

MISSING = BACKENDS["ultralytics"].missing()
HINT = f"not installed: {', '.join(MISSING)}. uv sync --extra ultralytics"
needs_the_back_end = pytest.mark.skipif(bool(MISSING), reason=HINT)
