"""What programs send each other and return: MessagePack, with extension types for what Python has and it has not.

Tuples stay tuples, and complex numbers, whole numbers of any size and NumPy arrays of numbers arrive as they left.
Nothing that is read here is ever executed.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import msgpack
import numpy as np

from qnode.errors import MalformedMessage, NotPackable, TooLarge
from qnode.wire.messages import MAX_RESULT_BYTES

_TUPLE, _COMPLEX, _ARRAY, _BIG_INT = 1, 2, 3, 4
_ARRAY_KINDS = "biufc"  # bool, integers, floats, complex: numbers only, never objects
_ARRAY_TYPE = re.compile(rf"[<|][{_ARRAY_KINDS}][0-9]{{1,2}}")


_packers: list[msgpack.Packer] = []
_KEPT_BYTES = 4096  # a packer that has grown is let go


def pack(value: object, *, what: str = "the message") -> bytes:
    """The bytes of a value.

    Args:
        value: None, bool, numbers, text, bytes, lists, tuples, dicts and NumPy arrays of numbers, nested as you like.
        what: What an error calls the value.
    Raises:
        NotPackable: If the value contains anything else; it names the type.
    """
    try:
        return _packed(value)
    except NotPackable as error:
        raise NotPackable(what=what, type=error.fields["type"]) from None
    except (ValueError, RecursionError):  # msgpack's word for nesting without end
        raise NotPackable(what=what, type="a nesting that is too deep") from None


def pack_result(value: object, *, what: str, verb: str) -> bytes:
    """The bytes of what a program returns or records, which travel in one piece.

    Raises:
        NotPackable: As `pack` does.
        TooLarge: If they are too many; `verb` says what to do with the path of a file instead.
    """
    packed = pack(value, what=what)
    if len(packed) > MAX_RESULT_BYTES:
        raise TooLarge(what=what, size=len(packed), limit=MAX_RESULT_BYTES, verb=verb)
    return packed


def unpack(data: bytes) -> Any:
    """The value behind the bytes. Raises MalformedMessage if they are not what `pack` makes."""
    try:
        return msgpack.unpackb(data, ext_hook=_restore, strict_map_key=False, use_list=True)
    except (ValueError, TypeError, RecursionError, struct.error, msgpack.UnpackException) as error:
        raise MalformedMessage(detail=f"a payload of {len(data)} bytes cannot be unpacked: {error}") from None


def _packed(value: object) -> bytes:
    # A small buffer: the default of a megabyte costs ten times the packing of a short message. A packer that is in use
    # (a tuple in a tuple) cannot be used again; one that failed is not put back.
    try:
        packer = _packers.pop()
    except IndexError:
        packer = msgpack.Packer(default=_extend, strict_types=True, buf_size=256)
    packed: bytes = packer.pack(value)
    if len(packed) < _KEPT_BYTES:
        _packers.append(packer)
    return packed


def _extend(value: object) -> object:
    match value:
        case tuple():
            return msgpack.ExtType(_TUPLE, _packed(list(value)))
        case int() if not isinstance(value, bool):
            return _whole(int(value))
        case float():
            return float(value)
        case complex():
            return msgpack.ExtType(_COMPLEX, struct.pack("<dd", value.real, value.imag))
        case np.ndarray() if value.dtype.kind in _ARRAY_KINDS:
            head = [value.dtype.newbyteorder("<").str, list(value.shape)]
            data = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
            return msgpack.ExtType(_ARRAY, _packed([*head, data]))
        case np.generic() if value.dtype.kind == "c":
            return _extend(complex(value))
        case np.generic() if value.dtype.kind in _ARRAY_KINDS:
            return float(value) if value.dtype.kind == "f" else value.item()
        case str():  # a subclass: names of nodes, members of an enumeration
            return str.__str__(value)
        case dict():
            return dict(value)
        case list():
            return list(value)
    raise NotPackable(what="it", type=type(value).__qualname__)


def _whole(value: int) -> object:
    if -(2**63) <= value < 2**64:
        return value
    length = (value.bit_length() + 8) // 8
    return msgpack.ExtType(_BIG_INT, value.to_bytes(length, "little", signed=True))


def _restore(code: int, data: bytes) -> object:
    match code:
        case 1:  # _TUPLE
            return tuple(unpack(data))
        case 2:  # _COMPLEX
            return complex(*struct.unpack("<dd", data))
        case 3:  # _ARRAY
            dtype, shape, raw = unpack(data)
            if not _ARRAY_TYPE.fullmatch(dtype):  # NumPy itself would read much more, and some of it as Python
                raise ValueError(f"an array of {dtype!r}")
            return np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
        case 4:  # _BIG_INT
            return int.from_bytes(data, "little", signed=True)
    raise ValueError(f"extension type {code} is unknown")
