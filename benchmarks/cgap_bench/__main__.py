"""`python -m cgap_bench`: the command line where its script is not on the path."""

from cgap_bench.cli import main

main()
