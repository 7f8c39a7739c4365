"""Guards over the source code itself: rules that a reviewer should not have to remember."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fresh import printed_by

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "ingestion", "retrieval", "assistant")


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[tuple[ast.arg, ast.expr | None]]:
    """Return each parameter with its default."""
    positional = [*function.args.posonlyargs, *function.args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(function.args.defaults))
    defaults += function.args.defaults
    return [
        *zip(positional, defaults, strict=True),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ]


def test_passages_are_made_in_the_gate_and_nowhere_else() -> None:
    makers = {
        path.relative_to(ROOT).as_posix()
        for path, tree in modules(*APPS, "config")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Passage"
    }
    assert makers == {"retrieval/gate.py"}


def test_no_parameter_is_a_bypass() -> None:
    words = (
        "bypass",
        "skip_access",
        "ignore_access",
        "unrestricted",
        "as_superuser",
        "no_check",
        "without_access",
    )
    offenders = [
        f"{path.relative_to(ROOT)}: {function.name}({argument.arg})"
        for path, tree in modules(*APPS, "config")
        for function in functions(tree)
        for argument, _ in parameters(function)
        if any(word in argument.arg.lower() for word in words)
    ]
    assert offenders == []


def test_no_viewer_parameter_has_a_default_or_allows_none() -> None:
    offenders = []
    for path, tree in modules(*APPS, "config"):
        for function in functions(tree):
            for argument, default in parameters(function):
                if argument.arg != "viewer":
                    continue
                annotation = ast.unparse(argument.annotation) if argument.annotation else ""
                if default is not None or "None" in annotation or "Optional" in annotation or not annotation:
                    offenders.append(f"{path.relative_to(ROOT)}: {function.name}(viewer: {annotation})")
    assert offenders == []


def test_every_action_takes_keywords_only_and_says_by_whom() -> None:
    offenders = []
    for path, tree in modules(*APPS):
        if path.name != "actions.py" and path.parent.name != "actions":
            continue
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            names = {argument.arg for argument in node.args.kwonlyargs}
            if node.args.args or node.args.posonlyargs or "by" not in names:
                offenders.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert offenders == []


def test_candidates_hold_no_text() -> None:
    from retrieval.types import Candidate

    assert set(Candidate._fields) == {"chunk", "document", "dense", "keyword", "fused"}


def test_the_index_payload_is_four_integers() -> None:
    from ingestion.index.types import PAYLOAD_KEYS

    assert tuple(PAYLOAD_KEYS) == ("document", "source", "policy", "superseded")


def test_a_module_is_a_sitting() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path, _ in modules(*APPS, "config")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 450
    }
    assert long == {}


@pytest.mark.slow
def test_the_light_path_loads_no_heavy_library() -> None:
    script = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings';"
        "import django; django.setup();"
        "import config.urls, config.asgi, ingestion.tasks, assistant.tasks;"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'llama_index', 'openai', 'qdrant_edge', 'qdrant_client', 'kreuzberg',"
        " 'pypdfium2', 'nltk', 'ir_measures', 'tokenizers', 'numpy.linalg.lapack'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert printed_by(script) == "[]"


def test_no_inline_script_or_style_stands_in_a_template() -> None:
    offenders = []
    for path in sorted((ROOT / "templates").rglob("*.html")):
        html = path.read_text(encoding="utf-8")
        lowered = html.lower()
        if " style=" in lowered or "<style" in lowered or " onclick=" in lowered or "javascript:" in lowered:
            offenders.append(path.relative_to(ROOT).as_posix())
        if "<script" in lowered and any(
            "src=" not in part.split(">")[0] for part in lowered.split("<script")[1:]
        ):
            offenders.append(path.relative_to(ROOT).as_posix())
    assert offenders == []


def test_no_machine_path_stands_in_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\n")
    roots = tuple(f"/{name}/" for name in ("work", "farm", "root"))
    offenders = []
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix in {".pdf", ".docx", ".png"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        offenders += [name for root in roots if root in text]
    assert offenders == []
