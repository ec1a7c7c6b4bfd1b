//! The engine inside Redshift.

mod transform;
