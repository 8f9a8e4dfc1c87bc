"""What does one inference cost: time, traffic, energy, resources?"""
