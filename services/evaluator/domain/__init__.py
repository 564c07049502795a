"""What an evaluation is given, what it finds, and the rule that decides. Pure."""
