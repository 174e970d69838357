"""The gRPC face: the same handlers, engine, limits and errors as over HTTP, for Triton's and KServe's clients."""

import os

# Read when the library is loaded, which otherwise writes lines of its own between those of the log.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
