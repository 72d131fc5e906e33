"""The steps from one version of our tables to the next, each as Alembic runs it.

A step never changes once it is released, so it takes no definition from elsewhere.
"""
