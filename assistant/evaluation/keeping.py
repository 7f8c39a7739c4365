"""A folder that keeps an ingested suite, so that measuring again does not embed again.

Beside the data lies a marker that says from which bytes, with which model, cut into which chunks and with which vectors
it was made. What does not agree in all of them is not used: figures over another corpus would be taken for figures over this one.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from assistant.suites import CORPUS, SuiteError, digest_of_file
from ingestion.chunking import CHUNK_TOKENS

MARKER = "suite.json"
DATA = "data"


@dataclass(frozen=True)
class Marker:
    """What a kept suite was made from, and what making it took. `is_complete` is written last."""

    corpus: str  # sha256: of corpus.jsonl
    model: str
    chunk_tokens: int
    has_sentences: bool = False  # the vectors of sentences, which what was kept before them lacks
    is_complete: bool = False
    chunks: int = 0
    chunks_per_second: float = 0.0

    @classmethod
    def wanted_for(cls, suite: Path) -> "Marker":
        """Return the marker of a suite that is yet to be ingested with the settings of now."""
        return cls(digest_of_file(suite / CORPUS), settings.EMBEDDING_MODEL, CHUNK_TOKENS, has_sentences=True)

    def agrees_with(self, other: "Marker") -> bool:
        """Return whether both are made from the same bytes in the same way."""
        return self._made_from() == other._made_from()

    def _made_from(self) -> tuple[str, str, int, bool]:
        return self.corpus, self.model, self.chunk_tokens, self.has_sentences


def prepare(folder: Path, suite: Path) -> Path:
    """Return the data folder inside a folder for kept suites: a new one, or one that keeps this very suite.

    Raises SuiteError with a sentence when the folder holds anything else, which is left as it is.
    """
    wanted = Marker.wanted_for(suite)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        kept = read(folder)
        if not kept.agrees_with(wanted):
            raise SuiteError(
                f"{folder} keeps another corpus than {suite}, or one made with another model or release. "
                "Give another folder with --keep, or delete this one."
            )
        if not kept.is_complete:
            raise SuiteError(
                f"Ingesting into {folder} was cut off before it was finished. Delete the folder and start again."
            )
    else:
        (folder / DATA).mkdir(parents=True)
        write(folder, wanted)
    return folder / DATA


def read(folder: Path) -> Marker:
    """Return what a folder keeps. Raises SuiteError when it is not one that was made by `prepare`."""
    try:
        return Marker(**json.loads((folder / MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SuiteError(
            f"{folder} holds something else than a kept suite. Give an empty folder with --keep, or one that it made."
        ) from error


def write(folder: Path, marker: Marker) -> None:
    """Write down what a folder keeps."""
    (folder / MARKER).write_text(json.dumps(asdict(marker), indent=2) + "\n", encoding="utf-8")
