"""What looks for leftovers finds them: processes, and what is in the folder for temporary files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.launch.processes import left_in, linux_only, told_to_use


@linux_only
def test_a_process_that_does_not_end_is_found_by_its_folder(temporary: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        try:
            assert told_to_use(temporary) == {process.pid: "cat "}
            assert left_in(temporary, 0.0) == ["cat "]
        finally:
            process.kill()
        assert left_in(temporary) == []  # also where it ends only now, and nobody has waited for it


def test_a_file_in_a_folder_is_found(temporary: Path) -> None:
    (temporary / "folder").mkdir()
    (temporary / "folder" / "file").touch()
    assert left_in(temporary) == ["folder", "folder/file"]
    (temporary / "folder" / "file").unlink()
    (temporary / "folder").rmdir()
