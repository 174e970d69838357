"""Names of models: which recipe and which activation they stand for."""

import pytest

from models.network import ACTIVATIONS
from models.recipe import RECIPES, find


@pytest.mark.parametrize("data", RECIPES)
def test_plain_name_stands_for_relu(data: str) -> None:
    assert find(data) == (RECIPES[data], "relu")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_suffix_names_the_activation(activation: str) -> None:
    assert find(f"fashion_mnist_{activation}") == (RECIPES["fashion_mnist"], activation)


@pytest.mark.parametrize("name", ["relu", "fashion", "fashion_mnist_step", "fashion_mnist_", "fashion_mnisttanh", ""])
def test_name_without_a_recipe_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no recipe for"):
        find(name)
