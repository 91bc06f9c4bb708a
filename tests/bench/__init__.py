"""How fast and how small the plugins are, each figure as a ratio against another command measured in the same run.

    python -m tests.bench [--only PART]...  (from the root of the repository; exit status 1: a target is missed)

The ratios hold on a busy machine too, for the two commands take turns; the absolute figures are for the order of size.
docs/benchmarks.md is what it wrote last, part by part.
"""
