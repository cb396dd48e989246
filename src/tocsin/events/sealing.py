"""The folder of an investigation on disk: what is sealed, what is half done, and how the one becomes the other."""

import gzip
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tocsin.events.values import SourceRead
from tocsin.kernel import files

PARTIAL = ".partial"


class InvestigationFolder:
    """``events/*.parquet`` and ``sources/*.json`` are sealed; everything half done lies in ``.partial``.

    A source is sealed when its ``sources/<id>.json`` exists: it is written last, by rename. Segments of a source that
    is not sealed are finished by the next run, never counted twice: their names are fixed by source and chunk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = folder / "events"
        self.sources = folder / "sources"
        self.partial = folder / PARTIAL
        for path in (folder, self.events, self.sources, self.partial):
            if not path.exists():
                path.mkdir(mode=0o700, parents=True)

    def sealed(self) -> dict[str, dict[str, Any]]:
        """Return what is kept of every sealed source, by source id."""
        return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in self.sources.glob("*.json")}

    def work_of(self, source_id: str, *, reading: str) -> Path:
        """Return the folder a source's chunks are made in; chunks made under another reading are thrown away."""
        work = self.partial / source_id
        stamp = work / "reading"
        if work.exists() and (not stamp.exists() or stamp.read_text(encoding="utf-8") != reading):
            shutil.rmtree(work)
        if not work.exists():
            work.mkdir(mode=0o700)
            files.write_whole(stamp, reading)
        for left in [*work.glob("*.aside"), *work.glob("*.lines")]:
            left.unlink()
        return work

    def drop(self, source_id: str) -> None:
        """Take a sealed source out again: a longer copy of the same file, or another reading of it, replaces it."""
        (self.sources / f"{source_id}.json").unlink(missing_ok=True)
        (self.sources / f"{source_id}.rejected.gz").unlink(missing_ok=True)
        for path in self.events.glob(f"{source_id}-*.parquet"):
            path.unlink()

    def supersede(self, source_id: str) -> dict[str, Any]:
        """Take the events of a source out because a longer copy of the file brings them all; it stays known as read.

        Returns what is kept of it.
        """
        path = self.sources / f"{source_id}.json"
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kept["repeated"] = kept["parsed"]
        kept["seal"]["written"] = 0
        files.write_whole(path, json.dumps(kept, sort_keys=True))
        for segment in self.events.glob(f"{source_id}-*.parquet"):
            segment.unlink()
        return kept

    def seal(self, read: SourceRead, *, work: Path, extra: dict[str, object], keep_events: bool) -> dict[str, Any]:
        """Move a source's finished chunks into place, then write its seal. Safe to repeat after a kill at any point.

        Returns what is kept of it.
        """
        for path in sorted(work.glob("*.parquet")):
            if keep_events:
                path.replace(self.events / f"{read.source_id}-{path.name}")
            else:
                path.unlink()
        rejected = sorted(work.glob("*.rejected.gz"))
        if rejected:
            join_files(rejected, self.sources / f"{read.source_id}.rejected.gz")
        kept = asdict(read) | {"seal": extra}
        files.write_whole(self.sources / f"{read.source_id}.json", json.dumps(kept, sort_keys=True))
        shutil.rmtree(work)
        return kept

    def drop_orphans(self) -> None:
        """Remove segments whose source is not sealed and has no work left to finish it."""
        sealed = self.sealed()
        for path in self.events.glob("*.parquet"):
            source_id = path.name.rpartition("-")[0]
            superseded = source_id in sealed and not sealed[source_id]["seal"]["written"]  # killed while superseding
            if superseded or (source_id not in sealed and not (self.partial / source_id).exists()):
                path.unlink()
        for path in self.events.glob("*.aside"):
            path.unlink()

    def write_rejected(self) -> Path:
        """Gather the rejected lines of every source into ``rejected.jsonl.gz`` (0600)."""
        parts = sorted(self.sources.glob("*.rejected.gz"))
        target = self.folder / "rejected.jsonl.gz"
        if parts:
            join_files(parts, target)
        else:
            aside = target.with_suffix(".aside")
            with gzip.open(aside, "wb"):
                pass
            aside.chmod(0o600)
            aside.replace(target)
        return target


def sealed_sources(folder: Path) -> tuple[SourceRead, ...]:
    """Return what is known of every sealed source in ``sources/``, by path."""
    found = []
    for path in folder.glob("*.json"):
        kept = json.loads(path.read_text(encoding="utf-8"))
        del kept["seal"]
        found.append(SourceRead(**(kept | {"notes": tuple(kept["notes"])})))
    return tuple(sorted(found, key=lambda source: (source.path, source.source_id)))


def join_files(parts: Iterable[Path], target: Path) -> None:
    """Write files one after another (gzip members may follow each other, RFC 1952), aside, mode 0600, then renamed."""
    aside = target.with_name(f".{target.name}.aside")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as joined:
        for part in parts:
            with part.open("rb") as handle:
                shutil.copyfileobj(handle, joined)
    aside.replace(target)
