"""Settings of a language model that cannot work are refused at the start, with what to set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"FOOTNOTE_MODEL_URL": "http://127.0.0.1:1/v1"}, "needs both FOOTNOTE_MODEL_URL"),
        ({"FOOTNOTE_MODEL_NAME": "tiny"}, "needs both FOOTNOTE_MODEL_URL"),
        (
            {"FOOTNOTE_MODEL_URL": "127.0.0.1:1/v1", "FOOTNOTE_MODEL_NAME": "tiny"},
            "FOOTNOTE_MODEL_URL must start with http:// or https://.",
        ),
        ({"FOOTNOTE_MODEL_SECONDS": "0"}, "FOOTNOTE_MODEL_SECONDS must be at least 1."),
        ({"FOOTNOTE_MODEL_SECONDS": "soon"}, "is not a whole number"),
    ],
)
def test_a_model_that_cannot_work_is_refused_at_the_start(
    tmp_path: Path, given: dict[str, str], sentence: str
) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_MODEL")}
    result = subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**clean, "FOOTNOTE_DATA_DIR": str(tmp_path), **given},
    )  # fmt: skip
    assert result.returncode != 0
    assert sentence in result.stderr
