"""The sections of the report, each in its own module; a section without content has no parts."""
