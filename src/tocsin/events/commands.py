"""Everything that writes events: reading sources into an investigation's folder."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tocsin.events import opening
from tocsin.events.dialect import ReadingOptions
from tocsin.events.enrichment import Enrichment
from tocsin.events.errors import NothingReadable
from tocsin.events.generation import Generator
from tocsin.events.identities import Unjoined, settle
from tocsin.events.ports import Format
from tocsin.events.reading import Progress, SourceReader, sample_of
from tocsin.events.sealing import InvestigationFolder, sealed_sources
from tocsin.events.tables import keep_tables
from tocsin.events.values import SourceRead
from tocsin.kernel import files
from tocsin.kernel.language import gettext as _

__all__ = ["Generator", "Progress", "ReadingOptions", "Unjoined", "keep_tables", "read_sources", "sample_of"]


def read_sources(
    paths: Sequence[str | Path],
    *,
    folder: Path,
    formats: Sequence[Format],
    options: ReadingOptions,
    accounts: Path | None = None,
    tables: dict[str, Path] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    told: Callable[[SourceRead], None] | None = None,
) -> tuple[tuple[SourceRead, ...], Unjoined]:
    """Read files, folders and globs into ``folder`` and settle who is who.

    A file that was read before, by its SHA-256 or its content, adds nothing. Returns every source the folder holds, in
    order of path, and what could not be joined to an account. Raises NothingReadable when no source has a parsed line.
    """
    investigation = InvestigationFolder(folder)
    investigation.drop_orphans()
    reader = SourceReader(
        investigation,
        formats=formats,
        options=options,
        enrichment=Enrichment(tables=tables or {}, trusted_proxies=options.trusted_proxies),
        threads=threads or os.cpu_count() or 2,
    )
    try:
        for read in reader.read(opening.expand(paths, without=folder), progress=progress):
            if told is not None:
                told(read)
    finally:
        reader.close()
    unjoined, held = settle(investigation, accounts=accounts)
    _note_repeats(investigation, held)
    investigation.write_rejected()
    read_all = sealed_sources(investigation.sources)
    if not any(source.parsed for source in read_all):
        raise NothingReadable(
            _("Not one line could be read as an event."),
            where=folder / "rejected.jsonl.gz",
            mend=_("See there what was refused and why; name the format with --log-format or --map."),
        )
    return read_all, unjoined


def _note_repeats(investigation: InvestigationFolder, held: dict[str, int]) -> None:
    """Say in each source's seal how many of its records another source had already brought.

    Counted from what the segments hold against what was written, so that a kill in between cannot lose the number.
    """
    kept = investigation.sealed()
    for source in sealed_sources(investigation.sources):
        seal = kept[source.source_id]["seal"]
        assert isinstance(seal, dict)
        repeated = int(seal["written"]) - held.get(source.source_id, 0)
        if seal["content_sha256"] and seal["written"] and repeated != source.repeated:
            counted = asdict(replace(source, repeated=repeated)) | {"seal": seal}
            files.write_whole(investigation.sources / f"{source.source_id}.json", json.dumps(counted, sort_keys=True))
