"""Classes that mmdet, mmseg and mmpretrain lack.

Each task's config registers what it needs (``custom_imports``).
"""
