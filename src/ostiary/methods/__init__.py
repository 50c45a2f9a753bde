"""One way to prove a user, one file. A method yields a `Proof`; what a proof opens is decided elsewhere."""
