"""Which units, when, at what price? Saliency, policies, prices, phases."""
