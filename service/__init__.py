"""actserve: an inference microservice for activation-backed models. Reads `.onnx` files, never imports torch."""

__version__ = "0.1.0"
