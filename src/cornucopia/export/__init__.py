"""What leaves the house: adapters merged into their base, in a folder that any Transformers program answers from."""
