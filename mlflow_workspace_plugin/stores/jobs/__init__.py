"""Jobs: runs that somebody runs, who alone says how they go; where they run, and in what."""
