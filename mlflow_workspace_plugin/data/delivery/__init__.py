"""What brings data to the scripts of jobs, and what they make of it to the datastores."""
