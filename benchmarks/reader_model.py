"""The reader as it is learned: the packaged model with deltas of low rank, and the heads, in torch."""

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn

from assistant.answering.reader import ADAPTED, HEADS, PROBE, PROBED, Page, Pieces, Reading, pieces_of
from ingestion.weights import model_folder

RANK = 16


class Adapted(nn.Module):  # type: ignore[misc]  # torch is not followed: its classes are Any
    """A matrix that stays as it is, and a delta of low rank that is learned."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        low = nn.functional.linear(x, self.down.to(x.dtype))
        # Twice: the learned numbers then stay as small as their rate.
        return self.base(x) + nn.functional.linear(low, (2 * self.up).to(x.dtype))


class Model(nn.Module):  # type: ignore[misc]  # as above
    """The packaged model with deltas, and the reader's heads."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import BertModel

        base = BertModel.from_pretrained(str(model_folder()), add_pooling_layer=False, local_files_only=True)
        base.to(torch.bfloat16).requires_grad_(False).eval()  # eval: nothing is dropped out
        for layer in base.encoder.layer:
            for name in ADAPTED:
                parent, _, last = name.rpartition(".")
                setattr(layer.get_submodule(parent), last, Adapted(layer.get_submodule(name)))
        self.base = base
        width = base.config.hidden_size
        start = {"likeness": torch.tensor(16.0), "constant": torch.tensor(9.0)}
        self.heads = nn.ParameterDict({name: start.get(name, torch.zeros(width)) for name in HEADS})

    def forward(self, rows: Sequence[Pieces]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sentences' and the empty page's logits, and each piece's."""
        hidden = self.base(**batch_of(rows)).last_hidden_state.float()
        heads = {name: self.heads[name] for name in HEADS}
        return *log_odds(heads, hidden, rows), hidden @ heads["piece"]


def batch_of(rows: Sequence[Pieces]) -> dict[str, Tensor]:
    """Return what the model takes for several rows, each filled up to the longest."""
    ids = torch.zeros(len(rows), max(len(row.ids) for row in rows), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def log_odds(heads: Mapping[str, Tensor], hidden: Tensor, rows: Sequence[Pieces]) -> tuple[Tensor, Tensor]:
    """Return how much each row's sentences look like the answer, and how much each row looks as if it had none.

    What assistant.answering.reader.log_odds works out of one row, for a batch, and so that it can be learned from.
    """
    normalize = nn.functional.normalize
    length = hidden.shape[1]
    asked = torch.zeros(len(rows), length)
    places = torch.full((len(rows), length), -1)
    for number, row in enumerate(rows):
        asked[number, 1 : row.begins] = 1
        places[number, : len(row.ids)] = torch.tensor(row.sentence_of)
    count = max(1, int(places.max()) + 1)
    is_of = places[:, None, :] == torch.arange(count)[None, :, None]
    sizes = is_of.sum(2)
    question = normalize((hidden * asked[:, :, None]).sum(1), dim=1)
    sentences = normalize(torch.bmm(is_of.float(), hidden) / sizes.clamp(min=1)[:, :, None], dim=2)
    pieces = hidden @ heads["piece"]
    says = (
        heads["likeness"] * (sentences @ question[:, :, None])[:, :, 0]
        + sentences @ heads["sentence"]
        + pieces[:, None, :].masked_fill(~is_of, -1e4).amax(2)
    )
    nothing = normalize(hidden[:, 0], dim=1) @ heads["nothing"] + heads["constant"]
    return says.masked_fill(sizes == 0, -1e4), nothing


def library_reading(learned: Mapping[str, Tensor], question: str, page: Page) -> Reading:
    """Return what the library makes of a page with learned weights, in float32: what every engine is held against."""
    from transformers import BertModel

    model = BertModel.from_pretrained(str(model_folder()), add_pooling_layer=False, local_files_only=True)
    with torch.inference_mode():
        for number, layer in enumerate(model.eval().encoder.layer):
            for name in ADAPTED:
                up, down = (learned[f"{number}.{name}.{part}"].float() for part in ("up", "down"))
                layer.get_submodule(name).weight += up @ down
        rows = [pieces_of(question, page)]
        heads = {name: learned[name].float() for name in HEADS}
        says, nothing = log_odds(heads, model(**batch_of(rows)).last_hidden_state, rows)
        return tuple((says - nothing[:, None])[0].tolist())


def write(model: Model, file: Path) -> None:
    """Write the deltas and the heads at half precision, and what they make of the probe."""
    from safetensors.torch import save_file

    kept = {name: value.detach() for name, value in model.heads.items()}
    for number, layer in enumerate(model.base.encoder.layer):
        for name in ADAPTED:
            adapted = layer.get_submodule(name)
            kept[f"{number}.{name}.up"] = 2 * adapted.up.detach()
            kept[f"{number}.{name}.down"] = adapted.down.detach()
    kept = {name: value.half().contiguous() for name, value in kept.items()}
    save_file(kept | {"probe": torch.tensor(library_reading(kept, PROBE, PROBED))}, file)
    content = file.read_bytes()
    print(f"{file}: {len(content)} bytes, SHA-256 {sha256(content).hexdigest()}")
