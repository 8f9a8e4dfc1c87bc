"""What does a torch module or an ONNX file look like to the cost model?"""
