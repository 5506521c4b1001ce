"""Models as judges of a comparison's answers: asked, read strictly, counted, held against people and each other."""
