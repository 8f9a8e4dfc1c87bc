"""What does the page of a report say, and in which order?"""
