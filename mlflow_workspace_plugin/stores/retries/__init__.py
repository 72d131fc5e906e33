"""What an error of a database says, and calls that are made again."""
