"""What is shown of runs, for pages, widgets, terminals and files alike."""
