"""The organisation's own golden questions: kept, asked in the background with their askers' rights, and compared."""
