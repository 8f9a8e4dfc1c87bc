"""What does training say of itself while it goes on?"""
