"""What is said and done while runs go on? Progress, and the end by a signal."""
