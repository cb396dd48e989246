"""Writing aside and renaming, so that a reader sees the old file or the new one, whole."""

import os
from pathlib import Path

from tocsin_gate.snapshot import FileIdentity


def identity(path: Path) -> FileIdentity | None:
    """Return what a cheap stat tells of a file; None when there is none."""
    try:
        return FileIdentity.of(path.stat())
    except OSError:
        return None


def changes_path(snapshot: Path, *, epoch: int) -> Path:
    """Return where the changes of an epoch lie: beside the snapshot, one JSON object a line."""
    return snapshot.with_name(f"{snapshot.name}.{epoch}.changes")


def put_in_place(aside: Path, path: Path) -> None:
    """Rename a finished file over another, so that a crash leaves one of the two."""
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def append_line(path: Path, line: bytes) -> None:
    """Append one line in one write; a line that an earlier crash cut short is ended first."""
    with path.open("ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        torn = b""
        if size:
            file.seek(size - 1)
            torn = b"" if file.read(1) == b"\n" else b"\n"
        file.write(torn + line + b"\n")


def whole_lines(path: Path, *, offset: int, size_max: int) -> tuple[list[bytes], int]:
    """Return the finished lines from an offset on, and where the next reading begins. No file is no lines."""
    try:
        if path.stat().st_size <= offset:
            return [], offset
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size_max)
    except OSError:
        return [], offset
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), offset + end
