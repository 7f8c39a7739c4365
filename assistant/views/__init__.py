"""The pages of the Ask desk: asking, conversations, evidence, and the stream of a running answer."""
