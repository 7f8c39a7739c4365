"""Code in a Python of its own: what a fresh process loads and does."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def printed_by(code: str) -> str:
    """Run code in a fresh interpreter, in the checkout, and return what it printed; fail with its errors."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
