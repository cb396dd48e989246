"""The answer of a question as bare memory, column by column; no row becomes an object.

DuckDB hands its vectors over by the Arrow C stream interface (arrow.apache.org/docs/format/CStreamInterface.html),
whose structures are frozen; ctypes reads them, so that neither pyarrow nor numpy is needed. Measured on 40 million
sorted UBIGINT and UTINYINT: 4 CPU-seconds, against 18 by way of hexadecimal text.
"""

import ctypes
from collections.abc import Iterator, Sequence

from tocsin.events.errors import QueryRefused


class _Array(ctypes.Structure):
    pass


_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))),
    ("private_data", ctypes.c_void_p),
]


class _Stream(ctypes.Structure):
    pass


_Stream._fields_ = [
    ("get_schema", ctypes.c_void_p),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_Stream))),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))),
    ("private_data", ctypes.c_void_p),
]


def blocks(capsule: object, *, widths: Sequence[int]) -> Iterator[tuple[memoryview, ...]]:
    """Yield the columns of one block of rows after another, each as its bytes in the machine's order.

    ``widths`` are the bytes of one value of each column: integers only, never NULL. A view is good until the next
    block.
    """
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    stream = ctypes.cast(pointer(capsule, b"arrow_array_stream"), ctypes.POINTER(_Stream))
    while True:
        array = _Array()
        if stream.contents.get_next(stream, ctypes.byref(array)) != 0:
            said = stream.contents.get_last_error(stream) or b""
            raise QueryRefused(f"The store refused a question: {said.decode('utf-8', 'replace')}")
        if not array.release:
            return
        try:
            yield tuple(_bytes(array, column=column, width=width) for column, width in enumerate(widths))
        finally:
            array.release(ctypes.byref(array))


def _bytes(array: _Array, *, column: int, width: int) -> memoryview:
    child = array.children[column].contents
    if child.null_count > 0:
        raise QueryRefused(f"Column {column} of a block has empty values")
    size = int(child.length) * width
    if not size:
        return memoryview(b"")
    start = child.buffers[1] + (int(child.offset) + int(array.offset)) * width
    return memoryview((ctypes.c_char * size).from_address(start)).cast("B")
