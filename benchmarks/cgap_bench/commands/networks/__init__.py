"""What becomes of the networks of finished runs?"""
