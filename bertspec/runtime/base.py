"""base: the pretrained model and its tokenizer, as files that later stages read."""

from bertspec.pipeline.params.base import BaseParams
from bertspec.runtime.context import Context
from bertspec.runtime.shards import read_split
from bertspec.runtime.torch_setup import quiet


def run(context: Context[BaseParams]) -> None:
    """Raises InputError for what is no usable base, EnvironmentFault when it cannot be reached."""
    quiet()
    prepared = context.inputs.get("prepared")
    training = None if prepared is None else read_split(prepared, "train")
    context.params.base.build(context.outputs["base"], context.root, training)
