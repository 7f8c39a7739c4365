"""What models are told, one file per task. A prompt's digest stands in the record beside whatever was made with it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from accounts.canonical import digest_of_bytes

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Prompt:
    """The instructions for one task. `digest` is a tagged one (`sha256:…`) over the bytes of the file."""

    text: str
    digest: str


@cache
def prompt(name: str) -> Prompt:
    """Return the prompt `<name>.md` of this folder."""
    content = (FOLDER / f"{name}.md").read_bytes()
    return Prompt(content.decode(), digest_of_bytes(content))
