"""How good a record is: named rules, each a number from 0 to 1 with its reason. No model."""
