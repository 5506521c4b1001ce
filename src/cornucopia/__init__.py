"""Cornucopia 聚宝盆: tools to tune, run and compare Chinese finance language models.

Importing the package loads nothing heavy; every stage is a sub-package (see docs/architecture.md).
"""

__version__ = "0.1.0"
