"""Batches without padding: the layers of a model see the real tokens of a batch as one row.

As flash-attention's `unpad_input` has it, for any family of which the encoder is a module of its
own and takes its attention from transformers' attention interface. Embeddings and head run padded.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from bertspec.catalog.batch import MASK, moved
from bertspec.runtime.training import grouped, varlen
from bertspec.runtime.training.first_tokens import first_tokens
from bertspec.runtime.training.grouped import Groups
from bertspec.runtime.training.layers import encoder_of
from bertspec.runtime.training.rounding import round_once
from bertspec.runtime.training.rows import Put, Take
from bertspec.runtime.training.swapping import swapped
from bertspec.runtime.training.varlen import Row, filled, suits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KEYWORD = "packed"
"""Of the attention, in the table of transformers, and of the layout that layers are given."""

FAMILIES = ("albert", "bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")
"""Families for which tests show that losses and gradients are those of padded batches.

ModernBERT turns queries and keys by the place in the padded row; DeBERTa-v2 and MPNet compute
attention in their own way.
"""

IN_PARTS = (
    *FAMILIES, "data2vec-text", "deberta", "deberta-v2", "ernie", "esm", "esmc", "eurobert",
    "flaubert", "gte", "jina_embeddings_v3", "layoutlm", "longformer", "luke", "megatron-bert",
    "modernbert", "mpnet", "nomic_bert", "rembert", "roberta-prelayernorm", "roc_bert", "roformer",
    "squeezebert", "ultrabert", "xlm", "xlm-roberta-xl", "xmod",
)  # fmt: skip
"""Families for which tests show that parts of a padded batch have the gradients of the whole.

Where they cannot be packed, the parts of a step are made of sequences of about one length, with
little padding. In others what a text gets depends on the padding: ConvBERT and MobileBERT read
tokens beside a text's last one, FNet mixes all, Nyströmformer, MRA and YOSO approximate attention
by the length, and BigBird does from a length on.
"""

_STEP = 64
"""Tokens that a row in bf16 has a multiple of."""


@contextmanager
def packing(model: "PreTrainedModel") -> Iterator[bool]:
    """Inside, `model` runs packed; False for one that cannot, which runs as it did."""
    if model.config.model_type not in FAMILIES or not suits(model):
        yield False
        return
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(KEYWORD, _attention)
    AttentionMaskInterface.register(KEYWORD, lambda *_, **__: None)
    encoder = encoder_of(model)
    hooks = [
        model.base_model.register_forward_pre_hook(_with_layout, with_kwargs=True),
        encoder.register_forward_pre_hook(_pack, with_kwargs=True),
        encoder.register_forward_hook(_unpack, with_kwargs=True),
        *round_once(model),
    ]
    before = model.config._attn_implementation  # noqa: SLF001 - there is a public way to set it only
    model.set_attn_implementation(KEYWORD)
    # On a GPU, graphs are of whole encoders, one for a size of rows: first tokens would be more.
    is_whole = in_one_kernel(next(model.parameters()))
    try:
        with nullcontext() if is_whole else swapped(model, first_tokens(model), "cpu"):
            yield True
    finally:
        model.set_attn_implementation(before)
        for hook in hooks:
            hook.remove()


def in_one_kernel(tensor: torch.Tensor) -> bool:
    """Whether all sequences of a row attend in one kernel, which a GPU alone has."""
    return tensor.is_cuda


class Layout:
    """Where the real tokens of a padded batch are, and which of them attend together."""

    def __init__(self, attention_mask: torch.Tensor, heads: int) -> None:
        """`attention_mask` is (batch, length): 1 for the tokens of a sequence, then 0."""
        device, self.shape = attention_mask.device, attention_mask.shape
        mask = getattr(attention_mask, "on_processor", attention_mask).cpu()
        self.places = moved(mask.flatten().nonzero()[:, 0], device)
        """(tokens,) of the flattened batch."""
        lengths = mask.sum(dim=1)
        self.room: int
        """Tokens of the row; those behind the real ones are 0."""
        self.row: Row | None = None
        """Of a packed row on a GPU, which has no groups."""
        if in_one_kernel(attention_mask):
            row = filled(lengths, len(self.places), mask.shape[1])
            self.row = replace(row, borders=moved(row.borders, device))
            self.room = row.room
            return
        self.groups = Groups(lengths, heads)
        self.room = _room_of(len(self.places))


def _room_of(tokens: int) -> int:
    """Of a row on a processor: products in bf16 are compiled anew for each number of tokens."""
    step = _STEP if torch.is_autocast_enabled("cpu") else 1
    return -(-tokens // step) * step


def _with_layout(
    base: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, {**kwargs, KEYWORD: Layout(kwargs[MASK], base.config.num_attention_heads)}


def _pack(
    _encoder: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Hidden states (batch, length, hidden) -> (1, tokens, hidden)."""
    hidden = args[0] if args else kwargs["hidden_states"]
    layout: Layout = kwargs[KEYWORD]
    packed = Take.apply(hidden.flatten(0, 1), layout.places, layout.room)[None]
    if args:
        return (packed, *args[1:]), dict(kwargs)
    return args, {**kwargs, "hidden_states": packed}


def _unpack(
    _encoder: torch.nn.Module, _args: object, kwargs: Mapping[str, Any], output: Any
) -> Any:
    """Hidden states (1, tokens, hidden) -> (batch, length, hidden), 0 at padding.

    Or those of first tokens alone, and 0 elsewhere.
    """
    layout: Layout = kwargs[KEYWORD]
    packed, places = output.last_hidden_state.squeeze(0), layout.places
    if len(packed) > len(places):
        packed = packed[: len(places)]
    elif len(packed) < len(places):
        places = places[layout.groups.firsts]
    padded = Put.apply(packed, places, layout.shape.numel())
    output.last_hidden_state = padded.unflatten(0, layout.shape)
    return output


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: None,
    *,
    packed: Layout,
    dropout: float = 0.0,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """(1, heads, tokens, size) each -> (1, tokens, heads, size).

    What a function in transformers' AttentionInterface takes and gives.
    """
    causal = bool(getattr(module, "is_causal", False))
    # Not `tensor[0]`, of which the gradient is written once more, to zeros.
    q, k, v = (tensor.squeeze(0).transpose(0, 1) for tensor in (query, key, value))
    if packed.row is not None:
        found = varlen.attend(q, k, v, packed.row, dropout, scaling, causal=causal)
    else:
        found = grouped.attend(q, k, v, packed.groups, dropout, scaling, causal=causal)
    return found[None], None
