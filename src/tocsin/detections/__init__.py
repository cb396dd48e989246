"""Rules and what they found: a detection is one match with its evidence, a lead merges those of one actor."""
