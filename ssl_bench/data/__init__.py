"""Views of training images, their geometry, and the embedded data."""
