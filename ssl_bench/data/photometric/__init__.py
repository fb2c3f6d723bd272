"""Colour changes of a view: drawn once, painted on an image or a batch."""

from ssl_bench.data.photometric.recipe import Recipe, Step, build_photometric

__all__ = ['Recipe', 'Step', 'build_photometric']
