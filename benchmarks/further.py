"""Published collections as suites: `python -m benchmarks.further FOLDER OUT`, then `python -m benchmarks.suites OUT`.

No weight was chosen on them, and none is to be: new rules are held against them (docs/decisions/0026). FOLDER holds the files as they
were published; what is not there is left out and said so.

| suite | files |
| --- | --- |
| cranfield | `cran.all.1400`, `cran.qry`, `cranqrel` |
| cisi | `CISI.ALL`, `CISI.QRY`, `CISI.REL` |
| cacm | `cacm.all`, `query.text`, `qrels.text` |
| clapnq | `clapnq_dev_answerable.jsonl`, `clapnq_dev_unanswerable.jsonl` |
| xquad | `xquad.en.json` |
| covidqa | `200423_covidQA.json`: every paragraph a document, 500 of its questions |
"""

import argparse
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]  # Any: JSON values


class Collection(NamedTuple):
    """Documents, questions, and (question, document) pairs that belong together."""

    documents: list[Row]
    questions: list[Row]
    relevant: set[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.further")
    parser.add_argument("folder", type=Path, help="folder of the published files")
    parser.add_argument("out", type=Path, help="folder to make the suites in")
    given = parser.parse_args()
    for name, read in COLLECTIONS.items():
        try:
            collection = read(given.folder)
        except FileNotFoundError as error:
            print(f"{name} is left out: {error.filename} is not there.")
            continue
        write(collection, given.out / name)
        print(f"{name}: {len(collection.documents)} documents, {len(collection.questions)} questions.")


def write(collection: Collection, folder: Path) -> None:
    """Write a collection as a suite."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", collection.documents), ("queries", collection.questions)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    pairs = "".join(f"{question}\t{document}\t1\n" for question, document in sorted(collection.relevant))
    (folder / "qrels.tsv").write_text(pairs, encoding="utf-8")
    (folder / "meta.json").write_text(json.dumps({"name": folder.name}), encoding="utf-8")


def _text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8", errors="replace")


def _entries(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the number and the fields (T a title, W a text) of each entry of a file in SMART's format."""
    for block in re.split(r"(?m)^\.I ", text)[1:]:
        number, _, rest = block.partition("\n")
        parts = re.split(r"(?m)^\.([A-Z])\s*$", rest)[1:]
        fields = {key: " ".join(body.split()) for key, body in zip(parts[::2], parts[1::2], strict=True)}
        yield number.strip(), fields


def _smart(
    documents: str, questions: str, relevant: set[tuple[str, str]], *, counted: bool = False
) -> Collection:
    """Return a collection in SMART's format. `counted`: the judgements count the questions instead of naming them."""
    found = [(number, fields) for number, fields in _entries(documents) if fields.get("W") or fields.get("T")]
    known = {number for number, _ in found}
    asked = [(number, fields["W"]) for number, fields in _entries(questions) if fields.get("W")]
    return Collection(
        [
            {"id": number, "title": fields.get("T", ""), "text": fields.get("W") or fields["T"]}
            for number, fields in found
        ],
        [
            {"id": str(place if counted else int(number)), "text": text}
            for place, (number, text) in enumerate(asked, start=1)
        ],
        {(question, document) for question, document in relevant if document in known},
    )


def _pairs(text: str, grades: str = "") -> set[tuple[str, str]]:
    """Return the pairs of a table of judgements, of one of these grades if any are given."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return {(str(int(row[0])), str(int(row[1]))) for row in rows if not grades or row[2] in grades}


def cranfield(folder: Path) -> Collection:
    """Abstracts of aerodynamics; grades 1 to 4 of 5 count."""
    judged = _pairs(_text(folder, "cranqrel"), "1234")
    return _smart(_text(folder, "cran.all.1400"), _text(folder, "cran.qry"), judged, counted=True)


def cisi(folder: Path) -> Collection:
    """Abstracts of information science; questions of several sentences."""
    return _smart(_text(folder, "CISI.ALL"), _text(folder, "CISI.QRY"), _pairs(_text(folder, "CISI.REL")))


def cacm(folder: Path) -> Collection:
    """Titles and abstracts of computer science."""
    return _smart(_text(folder, "cacm.all"), _text(folder, "query.text"), _pairs(_text(folder, "qrels.text")))


def clapnq(folder: Path) -> Collection:
    """What people typed into a search engine, half of it without an answer in the passage at hand."""
    collection = Collection([], [], set())
    ids: dict[str, str] = {}
    for kind in ("answerable", "unanswerable"):
        for row in map(json.loads, _text(folder, f"clapnq_dev_{kind}.jsonl").splitlines()):
            passage = row["passages"][0]
            if passage["text"] not in ids:
                ids[passage["text"]] = str(len(ids))
                text = " ".join(map(_joined, passage["sentences"]))
                collection.documents.append(
                    {"id": ids[passage["text"]], "title": passage["title"], "text": text}
                )
            answers = sorted({_joined(s) for given in row["output"] for s in given["selected_sentences"]})
            collection.questions.append(
                {"id": row["id"], "text": row["input"], "type": kind, "answers": answers}
            )
            if kind == "answerable":
                collection.relevant.add((row["id"], ids[passage["text"]]))
    return collection


def _joined(tokens: str) -> str:
    """Return text whose punctuation stands apart as it would be written."""
    text = tokens.replace("``", '"').replace("''", '"').replace(" n't", "n't").replace(" '", "'")
    text = re.sub(r" ([.,;:!?%)\]])", r"\1", text)
    text = re.sub(r"([(\[]) ", r"\1", text)
    return " ".join(re.sub(r" - (?=\w)", "-", text).split())


def xquad(folder: Path) -> Collection:
    """Paragraphs of an encyclopaedia, and questions written beside them."""
    collection = Collection([], [], set())
    for n, article in enumerate(json.loads(_text(folder, "xquad.en.json"))["data"]):
        title = article.get("title", "").replace("_", " ")
        for m, paragraph in enumerate(article["paragraphs"]):
            document = f"{n}#{m}"
            collection.documents.append({"id": document, "title": title, "text": paragraph["context"]})
            for row in paragraph["qas"]:
                collection.questions.append(_answered(row))
                collection.relevant.add((str(row["id"]), document))
    return collection


def covidqa(folder: Path, most: int = 500) -> Collection:
    """Questions of experts about research papers, each for the paragraph that it was marked in."""
    collection = Collection([], [], set())
    for n, article in enumerate(json.loads(_text(folder, "200423_covidQA.json"))["data"]):
        for paper in article["paragraphs"]:
            text = paper["context"]
            starts = _paragraphs(text)
            title = text.partition("\n")[0].strip()
            for m, (start, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True)):
                collection.documents.append({"id": f"{n}#{m}", "title": title, "text": text[start:end]})
            for row in paper["qas"]:
                place = sum(start <= row["answers"][0]["answer_start"] for start in starts) - 1
                collection.questions.append(_answered(row))
                collection.relevant.add((str(row["id"]), f"{n}#{max(0, place)}"))
    kept = random.Random(1).sample(collection.questions, most)
    ids = {row["id"] for row in kept}
    return Collection(collection.documents, kept, {pair for pair in collection.relevant if pair[0] in ids})


def _paragraphs(text: str, least: int = 500) -> list[int]:
    """Return where paragraphs begin; short ones, headings among them, stay with what follows."""
    starts = [0]
    for blank in re.finditer(r"\n\s*\n", text):
        if blank.end() - starts[-1] >= least and text[blank.end() :].strip():
            starts.append(blank.end())
    return starts


def _answered(row: Row) -> Row:
    answers = [answer["text"] for answer in row["answers"]]
    return {"id": str(row["id"]), "text": row["question"].strip(), "type": "answerable", "answers": answers}


COLLECTIONS: dict[str, Callable[[Path], Collection]] = {
    read.__name__: read for read in (cranfield, cisi, cacm, clapnq, xquad, covidqa)
}

if __name__ == "__main__":
    main()
