"""How does one experience run? The growth loop, births, and the adapters to Avalanche."""
