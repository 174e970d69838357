"""One small file for each face of the service. A handler decodes, infers, encodes; it decides nothing else."""
