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

# The real hashers take a quarter of a second a sign-in by design.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
