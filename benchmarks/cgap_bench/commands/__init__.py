"""What does each command of `cgap-cl` do?"""
