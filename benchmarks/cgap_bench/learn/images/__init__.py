"""Where are images while a run goes on: in memory, or in files that are read ahead?"""
