//! Examples of the Mnemon library.
