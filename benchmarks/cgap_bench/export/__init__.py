"""What leaves the project: a task's network in the form that another tool takes."""
