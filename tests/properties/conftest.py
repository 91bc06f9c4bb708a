"""How many examples are tried. In CI always the same ones, so that a run says something about the change and not about luck.

PULLKIT_EXAMPLES=20000 .venv/bin/python -m pytest tests/properties      # others, and more of them
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EVERY = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
MORE = os.environ.get("PULLKIT_EXAMPLES")

settings.register_profile(
    "pullkit",
    derandomize=not MORE,
    max_examples=int(MORE or 100),
    deadline=None,  # a busy machine is no fault
    database=None,
    suppress_health_check=EVERY,
)
settings.load_profile("pullkit")
