"""The product's settings with a data folder of their own, made new for each test process and removed with it."""

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="footnote-test-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["FOOTNOTE_DATA_DIR"] = _folder
os.environ["CELERY_BROKER_URL"] = "memory://"
os.environ.pop("QDRANT_URL", None)

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in the product: SQLite's shared memory has other locks, and threads that write would fail in it.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/test.sqlite3"}
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"

# The real hashers take a quarter of a second a sign-in by design.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
