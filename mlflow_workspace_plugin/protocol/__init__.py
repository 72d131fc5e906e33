"""What a served hub and its clients say to each other: values, and how they travel."""
