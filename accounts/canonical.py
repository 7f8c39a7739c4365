"""One way to write a value as bytes, and one way to digest it, so that two machines agree on every digest."""

import hashlib
import json
import math
import re
from typing import Any

# What PostgreSQL's text and jsonb refuse: the NUL character and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# From here on a float's shortest form has an exponent, and jsonb gives such a number back as an integer.
_EXPONENT_FROM = 1e16


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


def storable_text(text: str) -> str:
    """Return the text with what a database refuses to keep (NUL, lone surrogates) shown as U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable(value: Any) -> Any:  # Any: every JSON value, in and out
    """Return the value exactly as a JSON column of either database will give it back, so that its digest stays true.

    Digest what this returns and store what this returns. Tuples become lists; negative zero becomes zero and floats from
    1e16 on become integers, because that is what PostgreSQL makes of them. Raises ValueError for NaN and infinities, and
    TypeError for keys that are not strings and for values that JSON has no form for.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no form in JSON.")
        if abs(value) >= _EXPONENT_FROM:
            return int(value)
        return value + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(value, list | tuple):
        return [storable(entry) for entry in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(
                    f"The key {key!r} is not text; JSON would turn it into text and sort it anew."
                )
        return {storable_text(key): storable(entry) for key, entry in value.items()}
    raise TypeError(f"{type(value).__name__} has no form in JSON.")
