//! Gets logins of a warehouse: temporary ones from Redshift, and passwords from Secrets Manager.

mod iam_logins;
mod secret_logins;
mod source;

pub(crate) use source::login_source;
