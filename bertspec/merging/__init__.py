"""How git merges the compiled files and dvc.lock: by stage and by key, not by line.

Git merges files one at a time, in an order of its own and before it writes any of them: while this
runs, the specs here are still those of one side. That holds for merge, rebase, cherry-pick, revert
and stash alike, and only some of them tell which commit the other side is. So the specs cannot be
compiled here. But what is compiled is a function of the specs key by key, so that what both sides
changed is put together in the same way. A name that is a digest of what both changed is computed
from params.yaml, and kept for dvc.yaml, which git merges after it: see `sharing.py`, `kept.py`.
Where a key cannot be told, the merge stops as a conflict, and `bertspec compile` resolves it. A
hook is no way: rebase and cherry-pick run none in which a commit can still be changed.
"""
