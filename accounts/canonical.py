"""One way to write a value as bytes, and one way to digest it, so that two machines agree on every digest."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:  # Any: every JSON value
    """Return JSON with sorted keys, no spaces and no escapes beyond those JSON requires.

    Raises ValueError for NaN and infinities and TypeError for anything JSON has no form for: a digest must not depend
    on how somebody's `str()` looks.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:  # Any: every JSON value
    """Return the tagged digest `sha256:<hex>` of a value's canonical JSON."""
    return digest_of_bytes(canonical_json(value).encode("utf-8", "surrogatepass"))


def digest_of_bytes(data: bytes) -> str:
    """Return the tagged digest `sha256:<hex>` of raw bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
