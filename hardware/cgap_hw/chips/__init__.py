"""What is a chip made of, and where does each number come from?"""
