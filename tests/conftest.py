"""What all tests share: how Hypothesis draws. The same examples in every run, unless a profile asks for fresh ones.

Linear algebra runs on one thread, as in the nodes: on small matrices several threads only wait for each other.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported, by a test module

settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
