"""fetch: the source's rows as they are, one Parquet table a given split."""

from bertspec.core.errors import InputError
from bertspec.core.progress import progress
from bertspec.pipeline.params.fetch import FetchParams
from bertspec.runtime.context import Context
from bertspec.runtime.tables import write_parquet


def run(context: Context[FetchParams]) -> None:
    """Raises InputError for what cannot be read or holds no row, EnvironmentFault for no hub."""
    source = context.params.source
    with progress("fetch", len(source.given_splits())) as bar:
        for split, table in source.read(context.root):
            if not len(table):
                raise InputError.of(
                    "E308", f"the source has no row for `{split}`", "check the file"
                )
            write_parquet(table, context.outputs["raw"] / f"{split}.parquet")
            bar()
