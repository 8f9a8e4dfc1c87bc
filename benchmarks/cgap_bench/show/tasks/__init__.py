"""What does each task end with? Numbers of single tasks, where the tables have means."""
