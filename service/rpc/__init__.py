"""The gRPC face: the same handlers, engine, limits and errors as over HTTP, for Triton's and KServe's clients."""

import logging
import os

# Read when the library is loaded, which otherwise writes lines of its own between those of the log.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

log = logging.getLogger("actserve.rpc")


def _is_fault(record: logging.LogRecord) -> bool:
    """False where gRPC could not send an answer, as when it is longer than the caller takes: no fault of ours."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind is None or kind.__name__ != "ExecuteBatchError":
        return True
    log.info("an answer was not taken by its caller")
    return False


logging.getLogger("grpc._cython.cygrpc").addFilter(_is_fault)
