"""What stands beside the comparison table? Learning on the way, savings of a dense network."""
