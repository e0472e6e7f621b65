"""Stories that cross services, one file for each."""
