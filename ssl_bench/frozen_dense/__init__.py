"""Dense tasks on frozen features, as the official programs score them.

Heads, losses, windows, votes and metrics; docs/protocols.md says which
protocol takes which. Nothing here knows a backbone: features come in as maps
(B, D, h, w) or as patch vectors (N, D).
"""
