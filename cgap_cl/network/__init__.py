"""What learns and remembers? The plastic network and its heads."""
