"""How are names from records written, so that nothing in them is read as a command?"""
