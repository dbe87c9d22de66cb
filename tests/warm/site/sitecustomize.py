"""Read by every Python that finds this folder first: if it comes to start a forkserver, that is a warm one.

Nothing of ours is imported before whoever runs there imports it: pytest would say that it cannot rewrite that any more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class Warm:
    """Finds one module, as others do, and changes it once it has been executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "orchestrator.launch.early":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def executed(module: ModuleType) -> None:
            execute(module)
            from tests.warm.commands import words  # lazy: as above

            vars(module)["python"] = words(os.environ["QNODE_WARM"], vars(module)["python"])

        vars(spec.loader)["exec_module"] = executed
        return spec


sys.meta_path.insert(0, Warm())
