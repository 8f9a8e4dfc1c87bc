"""Has what a user brings to a run changed since?"""
