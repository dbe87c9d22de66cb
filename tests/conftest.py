"""What all tests share: how Hypothesis draws. The same examples in every run, unless a profile asks for fresh ones.

Linear algebra runs on one thread, as in the nodes: on small matrices several threads only wait for each other.

The tests start several hundred interpreters. Where Python may leave no bytecode beside the sources, each of them would
compile all of qnode anew, a quarter of a second; they get a folder for it that goes with the tests.
"""

from __future__ import annotations

import os
import tempfile

from hypothesis import settings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported, by a test module

if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    BYTECODE = tempfile.TemporaryDirectory(prefix="qnode-bytecode-")
    os.environ["PYTHONPYCACHEPREFIX"] = BYTECODE.name

settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
