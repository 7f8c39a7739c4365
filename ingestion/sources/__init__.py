"""Where documents come from: each source lists what it has, says who may read it, and copies out files."""
