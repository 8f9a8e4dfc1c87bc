"""Which published numbers are there, and do ours agree?"""
