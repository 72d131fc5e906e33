"""Who may use a served hub: people, their roles, and the tokens that stand for them."""
