"""The one index this process asks: in its own folder, in the process that serves the folder, or on a Qdrant server.

Importing this loads no engine.
"""

import shutil
import threading
from pathlib import Path

from django.conf import settings

from ingestion.embedding import embedder
from ingestion.index.types import IndexUnavailable, VectorIndex
from ingestion.weights import BUNDLED_MODEL

BUNDLED_DIMENSIONS = 384

_lock = threading.Lock()
_open: VectorIndex | None = None


def get_index() -> VectorIndex:
    """Return this process's index, opening it at the first call.

    Where a running server has the folder open, its index process is asked. Raises IndexBusy when another process
    keeps the folder to itself, IndexUnavailable when the server does not answer, and
    IndexCorrupt when the index has to be rebuilt; each message is a sentence for an administrator.
    """
    global _open
    with _lock:
        if _open is None:
            _open = _server() if settings.QDRANT_URL else _embedded(Path(settings.INDEX_DIR))
        return _open


def close_index() -> None:
    """Close this process's index, if it is open; the next get_index opens it again."""
    global _open
    with _lock:
        closing, _open = _open, None
    if closing is not None:
        closing.close()


def _embedded(folder: Path) -> VectorIndex:
    from ingestion.index.remote import join

    return join(folder) or open_folder(folder)


def open_folder(folder: Path) -> VectorIndex:
    """Open the embedded index in a folder, finishing a swap that was cut off."""
    from ingestion.index.edge import EdgeIndex

    finish_swap(folder)
    return EdgeIndex(folder, dimensions=dimensions(), model=model_name())


def dimensions() -> int:
    """Return the length of the configured model's vectors. The bundled model need not be loaded for it."""
    return BUNDLED_DIMENSIONS if settings.EMBEDDING_MODEL == BUNDLED_MODEL else embedder().dimensions


def model_name() -> str:
    """Return the configured model's name as it is written beside each stored vector, at most 80 characters."""
    return str(settings.EMBEDDING_MODEL)[-80:]


def built_folder(folder: Path) -> Path:
    """Return where a rebuilt index stands once it is complete and before it has taken the old one's place."""
    return folder.with_name(folder.name + ".built")


def finish_swap(folder: Path) -> bool:
    """Put a completely rebuilt index in the place of the old one; return whether there was one.

    The rebuilt folder gets its name only when it is complete, so wherever this is cut off the next call finishes it.
    The caller makes sure that nobody has the old index open.
    """
    built = built_folder(folder)
    if not built.exists():
        return False
    if folder.exists():
        shutil.rmtree(folder)
    built.rename(folder)
    return True


def _server() -> VectorIndex:
    from qdrant_client import QdrantClient

    from ingestion.index.server import ServerIndex

    try:
        client = QdrantClient(url=settings.QDRANT_URL, api_key=settings.QDRANT_API_KEY or None, timeout=30)
    except Exception as error:
        raise IndexUnavailable(
            f"The Qdrant server at {settings.QDRANT_URL} cannot be used: {error}"
        ) from error
    return ServerIndex(client, collection=settings.QDRANT_COLLECTION, dimensions=dimensions())
