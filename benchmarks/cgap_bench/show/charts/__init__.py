"""How does it look? Charts as Vega-Lite, one module each: the same on the page and in files."""
