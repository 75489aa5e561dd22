"""What a server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "bertspec_requests", "Requests to /predict by their status.", ["status"],
            registry=self.registry,
        )  # fmt: skip
        self.errors = Counter(
            "bertspec_errors", "Errors in responses of /predict by their code.", ["code"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "bertspec_request_seconds", "Seconds from the head of a request to its response.",
            registry=self.registry,
        )  # fmt: skip
        self.batches = Histogram(
            "bertspec_batch_inputs", "Inputs that were predicted together.",
            buckets=[2**n for n in range(11)], registry=self.registry,
        )  # fmt: skip
        self.queue = Gauge("bertspec_queue_inputs", "Inputs that wait.", registry=self.registry)
