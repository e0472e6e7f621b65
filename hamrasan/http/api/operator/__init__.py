"""What operators, their tools and passers-by ask: no part of the specification."""
