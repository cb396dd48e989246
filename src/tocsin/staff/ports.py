"""What a module that keeps sealed values fulfils, so that the keys can be rotated."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tocsin.staff.values import Moved


class SealedPlace(Protocol):
    """Where values are kept that are sealed: a column, or files that a table names."""

    @property
    def what(self) -> str:
        """Return what is kept there, in English; translated when it is shown."""

    @property
    def table(self) -> str:
        """Return the table whoever writes there writes into, in the same transaction."""

    def counts(self) -> Mapping[bytes, int]:
        """Return how many values each key sealed, by the key's name."""

    def reseal(self, keys: Sequence[bytes], *, after: Any, limit: int) -> Moved:
        """Look at the next values after ``after`` (None: the first); seal anew those that one of these keys sealed.

        Values somebody holds at this moment are left out. A value that does not open is left as it is.
        """
