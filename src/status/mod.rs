//! Read-only snapshot over HTTP, and the control socket.
