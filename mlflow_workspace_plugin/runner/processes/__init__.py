"""The processes of a command: started, told to stop, and ended with all that they started."""
