"""What one inference of a convolutional network costs on an FPGA."""
