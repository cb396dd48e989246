"""Source files, from bytes on disk to sealed segments."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore
from typing import Any

import duckdb
import orjson

from tocsin.events import cutting, opening
from tocsin.events.content import Content
from tocsin.events.cutting import Chunk, Cut
from tocsin.events.dialect import ReadingOptions
from tocsin.events.enrichment import Enrichment
from tocsin.events.parsing import ChunkRead, Parser, SourceName, outcome_sql
from tocsin.events.ports import Format
from tocsin.events.sealing import InvestigationFolder
from tocsin.events.store import quoted
from tocsin.events.values import Sample, Shape, SourceRead
from tocsin.kernel import clock

SAMPLE_LINES = 200
RECOGNISED_MIN = 0.5
SMALL_BYTES = 256 * 1024  # planning a statement takes as long as reading so much
PARCEL_BYTES = 8 * 1024 * 1024
PARCEL_FILES = 64
FIRST = "00001.json"
Progress = Callable[[Path, int, int], None]  # file, bytes of it done, bytes in all


def reading_digest(formats: Sequence[Format], *, options: ReadingOptions, tables: Mapping[str, Path]) -> str:
    """Return a digest of everything that decides how lines become events; another digest means reading anew."""
    told = [[form.key, form.pattern, dict(form.columns), dict(form.reject)] for form in formats]
    said = [
        options.timezone, list(options.trusted_proxies), options.since_ms, options.until_ms,
        dict(options.skew_ms or {}), hashlib.sha256(options.secret_key).hexdigest(),
        {name: opening.digest_of(path) for name, path in tables.items()},
    ]  # fmt: skip
    return hashlib.sha256(orjson.dumps([told, said], option=orjson.OPT_SORT_KEYS)).hexdigest()


def recognise(sample: Sample, formats: Sequence[Format]) -> Format | None:
    """Return the format that is surest of a sample, if any is sure enough; the earlier one on a tie."""
    fitting = [form for form in formats if form.shape is sample.shape or (form.shape, sample.shape) in _READS]
    scored = [(form.recognise(sample), -number, form) for number, form in enumerate(fitting)]
    best = max(scored, key=lambda entry: entry[:2], default=None)
    return best[2] if best and best[0] > RECOGNISED_MIN else None


# Rows of CSV and Parquet arrive as JSON objects, so a format for such objects can read them too.
_READS = {(Shape.JSON, Shape.CSV), (Shape.JSON, Shape.PARQUET)}


@dataclass(slots=True)
class _UnderWay:
    """One file being read: its chunks are given out, and it is sealed when every file before it is."""

    path: Path
    name: SourceName
    form: Format | None
    stream: opening.ByteStream
    content: Content
    work: Path
    sha256: str
    parts: list[tuple[Future[list[ChunkRead]], int]] = field(default_factory=list)  # the answer, and the place in it
    given_out: bool = False

    def is_done(self) -> bool:
        """Tell whether every chunk has been parsed."""
        return self.given_out and all(part.done() for part, _place in self.parts)


Parcel = list[tuple[_UnderWay, Chunk]]


class SourceReader:
    """Reads files, in order, into an investigation's folder with ``threads`` parsers side by side.

    The parsers take chunks of the next files while those of one file are still being read, so that many small files
    keep all of them as busy as one large file does; sealing keeps to the order of the files. Tiny ones are read many
    at a time.
    """

    def __init__(
        self,
        folder: InvestigationFolder,
        *,
        formats: Sequence[Format],
        options: ReadingOptions,
        enrichment: Enrichment,
        threads: int,
    ) -> None:
        self._folder, self._formats, self._options = folder, formats, options
        self._reading = reading_digest(formats, options=options, tables=enrichment.tables)
        self._sealed = folder.sealed()
        self._lengths = _earlier_lengths(self._sealed)
        self._by_start: dict[str, list[str]] = {}  # digest of the first bytes -> sources that begin so
        for source_id, kept in self._sealed.items():
            for start in kept["seal"].get("content_starts", [])[:1]:
                self._by_start.setdefault(start, []).append(source_id)
        self._under_way: deque[_UnderWay] = deque()
        self._parcels: dict[tuple[str, int], Parcel] = {}  # small files not given out yet, by how they are read
        self._idle: SimpleQueue[Parser] = SimpleQueue()
        self._pool = ThreadPoolExecutor(threads)
        spill = folder.partial / "spill"
        made = self._pool.map(
            lambda _number: Parser(options=options, enrichment=enrichment, spill=spill, shares=threads), range(threads)
        )
        self._parsers = list(made)
        for parser in self._parsers:
            self._idle.put(parser)
        # One chunk more than parsers, so that none waits for the cutter; more would only fill the memory.
        self._room = BoundedSemaphore(threads + 1)

    def close(self) -> None:
        """Let go of the parsers' connections."""
        self._pool.shutdown(cancel_futures=True)
        for parser in self._parsers:
            parser.close()

    def read(self, paths: Iterable[Path], *, progress: Progress | None = None) -> Iterator[SourceRead]:
        """Read and seal files; yield each when it is sealed. The very same file sealed already is passed over."""
        for path in paths:
            yield from self._read(path, progress=progress)
        self._give_out_parcels()
        while self._under_way:
            yield self._seal(self._under_way.popleft())

    def _read(self, path: Path, *, progress: Progress | None) -> Iterator[SourceRead]:
        """Give out the chunks of one file, and yield the files before it that are finished meanwhile."""
        sha256 = opening.digest_of(path)
        source_id = sha256[:16]
        if any(file.name.source_id == source_id for file in self._under_way):
            return
        if source_id in self._sealed:
            if self._sealed[source_id]["seal"]["reading"] == self._reading:
                return
            self._folder.drop(source_id)
            dropped = self._sealed.pop(source_id)
            self._lengths.get(_length_of(dropped), {}).pop(_content_of(dropped), None)
        size = path.stat().st_size
        file, chunks = self._opened(path, sha256=sha256)
        self._under_way.append(file)
        first = list(islice(chunks, 2))
        if file.form is not None and len(first) == 1 and len(first[0].data) < SMALL_BYTES:
            self._into_parcel(file, first[0])
        else:
            self._give_out_parcels()  # what waits for company would keep this one from being sealed
            for number, chunk in enumerate(chain(first, chunks), start=1):
                self._give_out(file, number, chunk)
                if progress:
                    progress(path, file.stream.consumed_bytes, size)
                yield from self._finished()
            file.given_out = True
        yield from self._finished()
        if progress:
            progress(path, size, size)
        if file.content.length:
            self._lengths.setdefault(file.content.length, {}).setdefault(file.content.hexdigest(), source_id)

    def _opened(self, path: Path, *, sha256: str) -> tuple[_UnderWay, Iterator[Chunk]]:
        """Recognise a file by its first chunk and make ready to read it."""
        stream = opening.ByteStream(path)
        content = Content(self._lengths)
        blocks = content.watch(stream)
        head = next(blocks, b"")
        cut = cutting.cut_of(head)
        chunks = _chunks(path, cut=cut, blocks=chain([head], blocks), stream=stream)
        first = next(chunks, None)
        sample = _sample(path, cut=cut, chunk=first)
        form = recognise(sample, self._formats) if first else None
        if form is not None and form.tailor is not None:
            form = form.tailor(sample)
        reference = min(self._options.reference_at or clock.now(), clock.now())
        if self._options.reference_at is None:
            reference = min(clock.from_ms(int(path.stat().st_mtime * 1000)), reference)
        name = SourceName(sha256[:16], str(path), clock.to_ms(reference))
        work = self._folder.work_of(name.source_id, reading=self._reading)
        return _UnderWay(path, name, form, stream, content, work, sha256), chain([first] if first else [], chunks)

    def _finished(self) -> Iterator[SourceRead]:
        """Seal and yield the files that are done and have none before them that is not."""
        while self._under_way and self._under_way[0].is_done():
            yield self._seal(self._under_way.popleft())

    def _into_parcel(self, file: _UnderWay, chunk: Chunk) -> None:
        """Put a small file to others that one statement can read with it, and give them out when they are enough."""
        assert file.form is not None
        sql = outcome_sql(file.form, options=self._options, source=SourceName("", file.name.path, 0))
        key = (sql, file.name.reference_ms if "ms_syslog" in sql else 0)
        parcel = self._parcels.setdefault(key, [])
        parcel.append((file, chunk))
        if len(parcel) == PARCEL_FILES or sum(len(part.data) for _file, part in parcel) > PARCEL_BYTES:
            self._give_out_parcel(self._parcels.pop(key))
        if len(self._under_way) > 4 * PARCEL_FILES:
            self._give_out_parcels()

    def _give_out_parcels(self) -> None:
        while self._parcels:
            self._give_out_parcel(self._parcels.popitem()[1])

    def _give_out_parcel(self, parcel: Parcel) -> None:
        self._room.acquire()
        answer = self._pool.submit(self._parse_parcel, parcel)
        answer.add_done_callback(lambda _answer: self._room.release())
        for place, (file, _chunk) in enumerate(parcel):
            file.parts, file.given_out = [(answer, place)], True

    def _give_out(self, file: _UnderWay, number: int, chunk: Chunk) -> None:
        """Hand a chunk to the next idle parser; waits while enough chunks are waiting."""
        self._room.acquire()
        answer = self._pool.submit(self._parse, file, number, chunk)
        answer.add_done_callback(lambda _answer: self._room.release())
        file.parts.append((answer, 0))

    def _parse(self, file: _UnderWay, number: int, chunk: Chunk) -> list[ChunkRead]:
        """Parse one chunk, unless an interrupted run has already finished it."""
        path = file.work / f"{number:05d}.json"
        if (kept := ChunkRead.kept(path)) is not None:
            return [kept]
        with self._parser() as parser:
            parser.turn_to(file.name, form=file.form)
            return [parser.read(chunk, folder=file.work, number=number).keep(path)]

    def _parse_parcel(self, parcel: Parcel) -> list[ChunkRead]:
        """Parse the only chunks of several files together, but for those an interrupted run has already finished."""
        kept = [ChunkRead.kept(file.work / FIRST) for file, _chunk in parcel]
        new = [part for part, known in zip(parcel, kept, strict=True) if known is None]
        if not new:
            return [known for known in kept if known is not None]
        with self._parser() as parser:
            parser.turn_to(new[0][0].name, form=new[0][0].form)
            reads = parser.read_parcel([(file.name, chunk, file.work) for file, chunk in new])
            made = iter([read.keep(file.work / FIRST) for (file, _chunk), read in zip(new, reads, strict=True)])
        return [known if known is not None else next(made) for known in kept]

    @contextmanager
    def _parser(self) -> Iterator[Parser]:
        """Hold an idle parser for a block."""
        parser = self._idle.get()
        try:
            yield parser
        finally:
            self._idle.put(parser)

    def _seal(self, file: _UnderWay) -> SourceRead:
        """Wait for the chunks of a file, and seal it as what it is: new, a twin of another, or its longer self."""
        done = [part.result()[place] for part, place in file.parts]
        refused: Counter[str] = Counter()
        for part in done:
            refused.update(part.refused)
        parsed = sum(part.parsed for part in done)
        moments = [ts for part in done for ts in (part.first_ts, part.last_ts) if ts is not None]
        digest, length = file.content.hexdigest(), file.content.length
        sealed = self._sealed
        twin = self._lengths.get(length, {}).get(digest, "")
        twin = twin if twin in sealed else ""
        longer = "" if twin else self._longer(file)
        notes = [f"recovered up to the cut: {file.stream.cut}"] if file.stream.cut else []
        grown_from = file.content.grown_from
        if twin:
            notes.append(f"same content as {sealed[twin]['path']}: kept once")
        elif longer:
            notes.append(f"the start of {sealed[longer]['path']}, where its lines are counted")
        elif grown_from in sealed and length > _length_of(sealed[grown_from]):
            notes.append(f"continues {sealed[grown_from]['path']}, whose lines are counted as repeated")
            sealed[grown_from] = self._folder.supersede(grown_from)
        read = SourceRead(
            source_id=file.name.source_id,
            path=file.name.path,
            sha256=file.sha256,
            bytes=file.path.stat().st_size,
            format=file.form.key if file.form else "unknown",
            format_title=file.form.title if file.form else "unknown",
            lines=sum(part.lines for part in done),
            parsed=parsed,
            rejected=sum(refused.values()),
            repeated=parsed if twin or longer else 0,
            first_ts=min(moments, default=None),
            last_ts=max(moments, default=None),
            notes=tuple(notes),
            rejected_by_reason=dict(refused),
        )
        extra: dict[str, object] = {
            "reading": self._reading, "content_sha256": "" if twin or longer else digest, "content_bytes": length,
            "content_starts": file.content.starts,
            "written": 0 if twin or longer else sum(part.written for part in done), "read_at": clock.now().isoformat(),
        }  # fmt: skip
        sealed[read.source_id] = self._folder.seal(read, work=file.work, extra=extra, keep_events=not (twin or longer))
        if file.content.starts:
            self._by_start.setdefault(file.content.starts[0], []).append(read.source_id)
        return read

    def _longer(self, file: _UnderWay) -> str:
        """Return the sealed source of which a file is only the start, or nothing."""
        starts = file.content.starts
        for source_id in self._by_start.get(starts[0], []) if starts else []:
            kept = self._sealed.get(source_id)
            if kept is None or _length_of(kept) <= file.content.length or not _content_of(kept):
                continue
            if kept["seal"]["content_starts"][: len(starts)] == starts and file.content.begins(
                Path(kept["path"]), sha256=kept["sha256"]
            ):
                return source_id
        return ""


def _content_of(kept: dict[str, Any]) -> str:
    return str(kept["seal"]["content_sha256"])


def _length_of(kept: dict[str, Any]) -> int:
    return int(kept["seal"]["content_bytes"])


def _earlier_lengths(sealed: dict[str, dict[str, Any]]) -> dict[int, dict[str, str]]:
    lengths: dict[int, dict[str, str]] = {}
    for source_id, kept in sealed.items():
        seal = kept["seal"]
        if seal["content_sha256"] and int(seal["content_bytes"]) > 0:
            lengths.setdefault(int(seal["content_bytes"]), {})[str(seal["content_sha256"])] = source_id
    return lengths


def _chunks(path: Path, *, cut: Cut, blocks: Iterable[bytes], stream: opening.ByteStream) -> Iterator[Chunk]:
    if cut.shape is Shape.PARQUET:
        for _block in blocks:  # the digest of the content wants every byte
            pass
        return cutting.record_chunks(_parquet_records(path))
    if cut.shape is Shape.CSV:
        lines = cutting.physical_lines(blocks)
        next(lines, None)
        return cutting.record_chunks(cutting.csv_records(lines, header=list(cut.header), delimiter=cut.delimiter))
    if cut.document:
        return cutting.record_chunks(_document(blocks))
    return cutting.text_chunks(blocks, cut=lambda: stream.cut)


def sample_of(path: Path) -> Sample:
    """Return the start of a file as recognition sees it."""
    stream = opening.ByteStream(path)
    blocks = iter(stream)
    head = next(blocks, b"")
    cut = cutting.cut_of(head)
    return _sample(path, cut=cut, chunk=next(_chunks(path, cut=cut, blocks=chain([head], blocks), stream=stream), None))


def _sample(path: Path, *, cut: Cut, chunk: Chunk | None) -> Sample:
    data = chunk.data[: 4 * 1024 * 1024] if chunk else b""
    lines = tuple(line for line in data.decode("utf-8", "replace").split("\n") if line.strip("\x02 "))
    lines = tuple(islice(lines, SAMPLE_LINES))
    records: list[dict[str, object]] = []
    if cut.shape is not Shape.TEXT:
        for line in lines:
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(value, dict):
                records.append(value)
    header = cut.header or (tuple(records[0]) if cut.shape is Shape.PARQUET and records else ())
    return Sample(path=path, shape=cut.shape, lines=lines, records=tuple(records), header=header)


def _document(blocks: Iterable[bytes]) -> Iterator[bytes | tuple[str, bytes]]:
    content = bytearray()
    for block in blocks:
        content += block
        if len(content) > cutting.DOCUMENT_BYTES_MAX:
            yield "a JSON document larger than 2 GiB", bytes(content[:4096])
            return
    yield from cutting.document_records(bytes(content))


def _parquet_records(path: Path) -> Iterator[bytes | tuple[str, bytes]]:
    connection = duckdb.connect(":memory:")
    try:
        cursor = connection.execute(f"SELECT to_json(t)::VARCHAR FROM read_parquet({quoted(str(path))}) t")
        while rows := cursor.fetchmany(10_000):
            for (row,) in rows:
                yield row.encode()
    except duckdb.Error as error:
        yield f"Parquet that cannot be read: {str(error).splitlines()[0][:120]}", path.name.encode()
    finally:
        connection.close()
