"""What is a layer to the cost model?"""
