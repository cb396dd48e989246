"""What a file holds, told by digests: the same content packed otherwise, a log that has grown, a copy cut short."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tocsin.events import opening

# The lengths in bytes at which the start of a content gets a digest of its own: 64, 256, 1024, ...
STARTS = tuple(64 * 4**step for step in range(20))


class Content:
    """The running digest of a source's unpacked bytes, also taken at STARTS and at the lengths of earlier sources."""

    def __init__(self, earlier: dict[int, dict[str, str]]) -> None:
        self.earlier = earlier  # content length -> content digest -> source id
        self.length = 0
        self.grown_from = ""  # the longest earlier source whose whole content this one begins with
        self.starts: list[str] = []
        self._digest = hashlib.sha256()
        self._marks = sorted({*earlier, *STARTS}, reverse=True)

    def watch(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass blocks on, and note the digest of what went by at every mark."""
        for block in blocks:
            at = 0
            while self._marks and self._marks[-1] <= self.length + len(block) - at:
                mark = self._marks.pop()
                end = at + mark - self.length
                self._digest.update(block[at:end])
                self.length, at = mark, end
                self._note(mark)
            self._digest.update(block[at:])
            self.length += len(block) - at
            yield block

    def _note(self, mark: int) -> None:
        digest = self._digest.hexdigest()
        if mark in STARTS:
            self.starts.append(digest)
        self.grown_from = self.earlier.get(mark, {}).get(digest, self.grown_from)

    def hexdigest(self) -> str:
        """Return the SHA-256 of all that went by."""
        return self._digest.hexdigest()

    def begins(self, path: Path, *, sha256: str) -> bool:
        """Tell whether the file at ``path``, if it still is the one of that digest, begins with all of this content."""
        if not path.is_file() or opening.digest_of(path) != sha256:
            return False
        start = Content({self.length: {self.hexdigest(): path.name}})
        for _block in start.watch(opening.ByteStream(path)):
            if start.length >= self.length:
                break
        return bool(start.grown_from)
