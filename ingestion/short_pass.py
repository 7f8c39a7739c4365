"""The model's forward pass for a question or a few sentences, without what a general library does around it.

For a dozen words more than two fifths of the time goes into that: 5.3 ms for a question through `SentenceTransformer`,
3.0 so; three at once 7.1 and 4.3 (one core with bfloat16). Texts lie one after the other without padding, the three
projections of attention are one product. It is the same arithmetic on the same weights, and it is held against the
library's own result when it is made: what differs is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

ALIKE = 0.999
"""Least cosine between this pass and the library's for the probes; bfloat16 rounds differently in another order."""

PROBES = ("How many days of leave are there?", "Leave.")


class _Layer(NamedTuple):
    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    out_bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor
    last_norm: Tensor
    last_norm_bias: Tensor


class ShortPass:
    """BERT with mean pooling, over weights that a sentence-transformers model holds. Safe to share between threads."""

    def __init__(self, model: SentenceTransformer) -> None:
        import torch

        self._tokenizer = model.tokenizer
        self._longest = model.max_seq_length or 512
        bert = model[0].auto_model
        self._heads, self._epsilon = bert.config.num_attention_heads, bert.config.layer_norm_eps
        self._words = bert.embeddings.word_embeddings.weight.detach()
        # Every text is of the first type.
        kinds = bert.embeddings.token_type_embeddings.weight.detach()
        self._places = bert.embeddings.position_embeddings.weight.detach() + kinds[0]
        self._norm, self._norm_bias = _parameters(bert.embeddings.LayerNorm)
        self._layers = []
        for layer in bert.encoder.layer:
            own, out = layer.attention.self, layer.attention.output
            projections = [_parameters(part) for part in (own.query, own.key, own.value)]
            self._layers.append(
                _Layer(
                    torch.cat([weight for weight, _ in projections]), torch.cat([bias for _, bias in projections]),
                    *_parameters(out.dense), *_parameters(out.LayerNorm), *_parameters(layer.intermediate.dense),
                    *_parameters(layer.output.dense), *_parameters(layer.output.LayerNorm),
                )
            )  # fmt: skip

    @classmethod
    def of(cls, model: SentenceTransformer) -> ShortPass | None:
        """Return the pass for a model, None for one of another kind or where it does not give the same vectors."""
        import torch

        parts = [type(part).__name__ for part in model]
        if parts[:2] != ["Transformer", "Pooling"] or parts[2:] not in ([], ["Normalize"]):
            return None
        bert = model[0].auto_model
        if type(bert).__name__ != "BertModel" or bert.config.hidden_act != "gelu":
            return None
        if getattr(model[1], "pooling_mode", "") != "mean":
            return None
        made = cls(model)
        with torch.inference_mode():
            ours = torch.stack([tokens.float().mean(dim=0) for _, tokens in made.run(PROBES)])
            theirs = model(model.preprocess(list(PROBES)))["sentence_embedding"].float()
            alike = torch.nn.functional.cosine_similarity(ours, theirs, dim=1)
        return made if float(alike.min()) >= ALIKE else None

    def run(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Tensor]]:
        """Yield for each text its tokens' ids and their vectors, shape (tokens, dimensions), the model's marks included.

        To be called under `torch.inference_mode()`.
        """
        import torch
        from torch.nn.functional import gelu, layer_norm, linear

        encoded = self._tokenizer(list(texts), truncation=True, max_length=self._longest, padding=False)
        ids: list[list[int]] = encoded["input_ids"]
        lengths = [len(row) for row in ids]
        flat = torch.tensor([number for row in ids for number in row])
        places = torch.tensor([place for length in lengths for place in range(length)])
        width = (self._words.shape[1],)
        x = layer_norm(
            self._words[flat] + self._places[places], width, self._norm, self._norm_bias, self._epsilon
        )
        for layer in self._layers:
            seen = linear(
                self._attended(linear(x, layer.qkv, layer.qkv_bias), lengths), layer.out, layer.out_bias
            )
            x = layer_norm(x + seen, width, layer.norm, layer.norm_bias, self._epsilon)
            said = linear(gelu(linear(x, layer.up, layer.up_bias)), layer.down, layer.down_bias)
            x = layer_norm(x + said, width, layer.last_norm, layer.last_norm_bias, self._epsilon)
        yield from zip(ids, x.split(lengths), strict=True)

    def _attended(self, qkv: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return what each token takes from the others of its own text."""
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        attended = []
        for rows in qkv.split(list(lengths)):
            query, key, value = rows.view(1, len(rows), 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            seen = scaled_dot_product_attention(query, key, value)
            attended.append(seen.transpose(1, 2).reshape(len(rows), -1))
        return attended[0] if len(attended) == 1 else torch.cat(attended)


def _parameters(module: object) -> tuple[Tensor, Tensor]:
    weight: Tensor = module.weight.detach()  # type: ignore[attr-defined]
    bias: Tensor = module.bias.detach()  # type: ignore[attr-defined]
    return weight, bias
