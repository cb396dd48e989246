"""One source file, from bytes on disk to sealed segments."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import duckdb
import orjson

from tocsin.events import cutting, opening
from tocsin.events.cutting import Chunk, Cut
from tocsin.events.dialect import ReadingOptions
from tocsin.events.enrichment import Enrichment
from tocsin.events.parsing import ChunkRead, Parser, SourceName
from tocsin.events.ports import Format
from tocsin.events.sealing import InvestigationFolder
from tocsin.events.store import quoted
from tocsin.events.values import Sample, Shape, SourceRead
from tocsin.kernel import clock, files

SAMPLE_LINES = 200
RECOGNISED_MIN = 0.5
Progress = Callable[[Path, int, int], None]  # file, bytes of it done, bytes in all


class Content:
    """The running digest of a source's unpacked bytes, checked at the lengths of earlier sources (grown files)."""

    def __init__(self, earlier: dict[int, dict[str, str]]) -> None:
        self.earlier = earlier  # content length -> content digest -> source id
        self.length = 0
        self.grown_from = ""
        self._digest = hashlib.sha256()
        self._marks = sorted(earlier)

    def watch(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass blocks on, and note when what went by so far is the whole of an earlier source."""
        for block in blocks:
            at = 0
            while self._marks and self._marks[0] <= self.length + len(block) - at:
                mark = self._marks.pop(0)
                end = at + mark - self.length
                self._digest.update(block[at:end])
                self.length, at = mark, end
                self.grown_from = self.earlier[mark].get(self._digest.hexdigest(), self.grown_from)
            self._digest.update(block[at:])
            self.length += len(block) - at
            yield block

    def hexdigest(self) -> str:
        """Return the SHA-256 of all that went by."""
        return self._digest.hexdigest()


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


class SourceReader:
    """Reads one file after another into an investigation's folder with ``threads`` parsers side by side."""

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
        self._parsers = [Parser(options=options, enrichment=enrichment) for _number in range(threads)]
        self._reading = reading_digest(formats, options=options, tables=enrichment.tables)

    def close(self) -> None:
        """Let go of the parsers' connections."""
        for parser in self._parsers:
            parser.close()

    def read(self, path: Path, *, shown: str, progress: Progress | None = None) -> SourceRead | None:
        """Read one file and seal it. Returns None when the very same file is sealed already."""
        sha256 = opening.digest_of(path)
        source_id = sha256[:16]
        sealed = self._folder.sealed()
        if source_id in sealed:
            if sealed[source_id]["seal"]["reading"] == self._reading:
                return None
            self._folder.drop(source_id)
            del sealed[source_id]
        stream = opening.ByteStream(path)
        content = Content(_earlier_lengths(sealed))
        blocks = content.watch(stream)
        head = next(blocks, b"")
        cut = cutting.cut_of(head)
        chunks = _chunks(path, cut=cut, blocks=chain([head], blocks), stream=stream)
        first = next(chunks, None)
        form = recognise(_sample(path, cut=cut, chunk=first), self._formats) if first else None
        reference = min(self._options.reference_at or clock.now(), clock.now())
        if self._options.reference_at is None:
            reference = min(clock.from_ms(int(path.stat().st_mtime * 1000)), reference)
        if form is not None and form.tailor is not None and first is not None:
            form = form.tailor(_sample(path, cut=cut, chunk=first))
        name = SourceName(source_id, shown, clock.to_ms(reference))
        work = self._folder.work_of(source_id, reading=self._reading)
        told = (lambda: progress(path, stream.consumed_bytes, path.stat().st_size)) if progress else None
        done = self._parse(chain([first] if first else [], chunks), form=form, name=name, work=work, told=told)
        return self._seal(path, name, form, done, content=content, stream=stream, sha256=sha256, work=work)

    def _parse(
        self,
        chunks: Iterable[Chunk],
        *,
        form: Format | None,
        name: SourceName,
        work: Path,
        told: Callable[[], None] | None,
    ) -> list[ChunkRead]:
        """Parse chunks side by side, in order, keeping what an interrupted run has already finished."""
        idle: SimpleQueue[Parser] = SimpleQueue()
        for parser in self._parsers:
            parser.turn_to(name, form=form)
            idle.put(parser)

        def parse(number: int, chunk: Chunk) -> ChunkRead:
            kept = work / f"{number:05d}.json"
            if kept.exists():
                return ChunkRead(**json.loads(kept.read_text(encoding="utf-8")))
            parser = idle.get()
            try:
                read = parser.read(chunk, folder=work, number=number)
            finally:
                idle.put(parser)
            fields = {slot: getattr(read, slot) for slot in ChunkRead.__slots__}
            files.write_whole(kept, json.dumps(fields))
            return read

        done: list[ChunkRead] = []
        waiting: list[Future[ChunkRead]] = []
        with ThreadPoolExecutor(len(self._parsers)) as pool:
            for number, chunk in enumerate(chunks, start=1):
                waiting.append(pool.submit(parse, number, chunk))
                if len(waiting) > len(self._parsers):
                    done.append(waiting.pop(0).result())
                    if told:
                        told()
            done += [future.result() for future in waiting]
        if told:
            told()
        return done

    def _seal(
        self,
        path: Path,
        name: SourceName,
        form: Format | None,
        done: list[ChunkRead],
        *,
        content: Content,
        stream: opening.ByteStream,
        sha256: str,
        work: Path,
    ) -> SourceRead:
        refused: dict[str, int] = {}
        for part in done:
            for reason, number in part.refused.items():
                refused[reason] = refused.get(reason, 0) + number
        parsed = sum(part.parsed for part in done)
        moments = [ts for part in done for ts in (part.first_ts, part.last_ts) if ts is not None]
        digest = content.hexdigest()
        sealed = self._folder.sealed()
        twin = next((key for key, kept in sealed.items() if _content_of(kept) == digest and content.length), "")
        notes = []
        if stream.cut:
            notes.append(f"recovered up to the cut: {stream.cut}")
        if twin:
            notes.append(f"same content as {sealed[twin]['path']}: kept once")
        elif content.grown_from in sealed and content.length > _length_of(sealed[content.grown_from]):
            notes.append(f"continues {sealed[content.grown_from]['path']}, whose lines are counted as repeated")
            self._folder.supersede(content.grown_from)
        read = SourceRead(
            source_id=name.source_id,
            path=name.path,
            sha256=sha256,
            bytes=path.stat().st_size,
            format=form.key if form else "unknown",
            format_title=form.title if form else "unknown",
            lines=sum(part.lines for part in done),
            parsed=parsed,
            rejected=sum(refused.values()),
            repeated=parsed if twin else 0,
            first_ts=min(moments, default=None),
            last_ts=max(moments, default=None),
            notes=tuple(notes),
            rejected_by_reason=refused,
        )
        extra: dict[str, object] = {
            "reading": self._reading, "content_sha256": "" if twin else digest, "content_bytes": content.length,
            "written": 0 if twin else sum(part.written for part in done), "read_at": clock.now().isoformat(),
        }  # fmt: skip
        self._folder.seal(read, work=work, extra=extra, keep_events=not twin)
        return read


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
