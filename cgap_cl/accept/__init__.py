"""May this network grow? Supported layers, coupled units, and a numeric proof."""
