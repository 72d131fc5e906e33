"""What is drawn of a run's metrics, as JSON: pure, without a file, a database or a word of HTML.

``specification`` says what a figure is; the other modules make one each from values that are typed.
"""
