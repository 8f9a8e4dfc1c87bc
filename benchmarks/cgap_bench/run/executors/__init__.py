"""Where do runs run? In processes of this machine, or on a cluster."""
