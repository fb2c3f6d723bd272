"""Transfer of a backbone: the task table, building and running a task.

Classes that belong in a registry are registered by each task's config
(``custom_imports``), so that naming a task imports no toolkit.
"""
