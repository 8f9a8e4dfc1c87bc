"""What was the model checked against, and how far off was it?"""
