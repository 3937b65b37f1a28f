//! The packed embedding model that ships with Mnemon, and the tool that made it.
