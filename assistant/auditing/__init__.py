"""The reading side of the record, for auditors: what was asked, and how each answer came about. Writes nothing."""
