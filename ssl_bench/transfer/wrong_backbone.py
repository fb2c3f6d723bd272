"""The error of a task that takes backbones of another kind."""

from ssl_bench.errors import UserError


class WrongBackbone(UserError):
    """A task, with this recipe, takes backbones of another kind."""
