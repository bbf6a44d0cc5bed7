"""To other tools and to other people: one file a target; each writes where the user says."""
