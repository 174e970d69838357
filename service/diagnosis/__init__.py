"""What the activations inside a model do: found in its graph, observed in a copy of it, measured, put into words."""
