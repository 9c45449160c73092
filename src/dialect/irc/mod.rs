//! `irc`: what real IRC clients speak.

pub(crate) mod format;
pub(crate) mod mask;
pub(crate) mod message;
