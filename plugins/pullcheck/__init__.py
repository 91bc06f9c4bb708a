"""kubectl pullcheck: says why an image cannot be pulled, step by step along the pull."""
