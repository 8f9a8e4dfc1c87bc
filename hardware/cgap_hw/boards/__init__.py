"""Which boards and designs are there, and how are they written down?"""
