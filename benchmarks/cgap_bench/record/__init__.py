"""What was a run, what came out of it, and where was it?"""
