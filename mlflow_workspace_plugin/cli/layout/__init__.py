"""How the commands say what they found: words, and tables that fit the terminal."""
