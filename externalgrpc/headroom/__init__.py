"""Keep room in groups that ask for it: for a target of CPU use, or as a fixed reserve."""
