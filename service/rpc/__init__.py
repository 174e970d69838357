"""The gRPC face: the same handlers, engine, limits and errors as over HTTP, for Triton's and KServe's clients."""
