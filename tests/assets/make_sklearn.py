"""Writes the two files; see README.md for the environment."""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

iris = load_iris()
rows = iris.data.astype(np.float32)
names = iris.target_names[iris.target].astype(object)
both = np.stack([iris.target, iris.target % 2], axis=1)
models = {
    "iris_classifier": LogisticRegression(max_iter=500).fit(rows, names),
    "iris_two_classifiers": MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(rows, both),
}
for name, model in models.items():
    made = to_onnx(model, rows[:1], target_opset={"": 15, "ai.onnx.ml": 3})
    Path(__file__).with_name(f"{name}.onnx").write_bytes(made.SerializeToString())
