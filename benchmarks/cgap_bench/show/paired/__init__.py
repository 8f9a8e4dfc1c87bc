"""Is one method better than another?"""
