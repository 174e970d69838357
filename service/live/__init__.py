"""What activations do with served traffic: a sample of its rows, measured off the request's path."""
