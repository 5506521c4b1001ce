"""Privacy: personal numbers, addresses and names found by their form, and replaced consistently."""
