"""What is each of torch's functions to hardware?"""
