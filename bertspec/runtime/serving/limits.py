"""What a server takes at most."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Options of `bertspec serve`, but for the last."""

    max_batch: int = 32
    """Inputs that are taken from the queue together; the model sees them in one run or several."""
    max_wait: float = 0.005
    """Seconds that an input waits for others."""
    max_queue: int = 1024
    """Inputs that wait."""
    max_body: int = 2**20
    """Bytes of a request."""
    body_seconds: float = 30.0
    """Seconds in which they come; a client that sends no more could keep a server from stopping."""
