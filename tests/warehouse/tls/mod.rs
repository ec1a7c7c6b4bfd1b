//! TLS with a real PostgreSQL server, compared with psql.

pub(crate) mod certificates;
mod channel_binding;
mod client_certificates;
mod clients;
mod fallback;
mod host_names;
mod matrix;
mod messages;
mod negotiation;
pub(crate) mod tls_server;
