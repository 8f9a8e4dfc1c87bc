"""How does a dataset become experiences?"""

from cgap_bench.learn.streams.build import Stream, build_stream, joint_experience

__all__ = ["Stream", "build_stream", "joint_experience"]
