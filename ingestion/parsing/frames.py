"""What parent and child say to each other: a JSON value and raw bytes, each with its length before it."""

import json
import struct
from collections.abc import Callable
from typing import Any

_HEAD = struct.Struct(">II")
MAX_JSON = 256 * 1024 * 1024
MAX_BYTES = 64 * 1024 * 1024


def pack(value: Any, blob: bytes = b"") -> bytes:  # Any: every JSON value
    """Return one frame."""
    data = json.dumps(value, ensure_ascii=True).encode()
    return _HEAD.pack(len(data), len(blob)) + data + blob


def unpack(read: Callable[[int], bytes]) -> tuple[Any, bytes]:  # Any: every JSON value
    """Read one frame through `read`, which returns exactly as many bytes as asked for or raises EOFError.

    Raises ValueError for a frame that is larger than any honest one, or is not JSON.
    """
    json_size, blob_size = _HEAD.unpack(read(_HEAD.size))
    if json_size > MAX_JSON or blob_size > MAX_BYTES:
        raise ValueError("The frame is larger than any answer.")
    return json.loads(read(json_size)), read(blob_size)
