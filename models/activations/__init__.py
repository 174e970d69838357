"""Activations as ONNX graphs, exact to the last bits.

Each activation is written once, as a formula beside its derivative, in `rectifiers`, `exponentials`, `gaussian` or
`along_axis`; those are made from `elementary`. `table` lists them by name, `catalogue/` tells their story, `model`
makes the ONNX file. `python -m models.activations` writes all files, `python -m models.activations.measure` measures
them and writes `docs/activations.md`.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reads it when it is imported
