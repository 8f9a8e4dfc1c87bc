"""Where does what training says of itself go? To the terminal, and to loggers, once each."""
