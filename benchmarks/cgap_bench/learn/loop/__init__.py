"""What happens in each iteration of Avalanche's loop, however small?"""
