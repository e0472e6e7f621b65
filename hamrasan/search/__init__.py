"""Finding messages and people by their words: an index that follows the committed events, and questions to it."""
