"""Networks that keep every task in one set of weights, told apart by masks."""
