"""Figures as pictures that need no script: SVG, and the HTML of a run that notebooks keep.

Only the standard library is used. Pictures go into pages as images, never as elements of them: a
notebook that is not trusted loses those.
"""
