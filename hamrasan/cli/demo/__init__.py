"""`hamrasan demo`: three providers on one machine whose people talk with each other."""
