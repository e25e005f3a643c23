//! Over real sockets: what the in-process form cannot show.
