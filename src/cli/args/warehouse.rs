//! Arguments about the warehouse: the connection, and the role with which Redshift reads a bucket.

use std::cell::RefCell;
use std::env::{self, VarError};
use std::path::PathBuf;

use crate::aws::AwsOptions;
use crate::cli::usage_error::no_effect;
use crate::error::{Error, Result};
use crate::jobs::with_cloud_login;
use crate::observer::Observer;
use crate::warehouse::WarehouseConfig;
use crate::warehouse::connect::config::{ConnectionConfig, ConnectionFlags};
use crate::warehouse::connect::config_file::ConfigFile;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::iam_role::IamRole;

/// The connection to the warehouse. Passwords are not flags, because process lists show the arguments
/// of a command to every user.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Warehouse")]
pub(crate) struct WarehouseArgs {
    /// Warehouse URL [default: SPARKIFY_WAREHOUSE]
    ///
    /// redshift://USER@HOST:5439/DATABASE or postgres://USER@HOST/DATABASE, without a password.
    /// PGHOST, PGUSER and the other variables of PostgreSQL set what the URL leaves out.
    #[arg(long, value_name = "URL")]
    warehouse: Option<String>,
    /// Configuration file in the format of dwh.cfg
    ///
    /// It has the sections [CLUSTER], [IAM_ROLE] and [S3]. Flags and environment variables take
    /// precedence.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// CA certificates for the warehouse, in PEM
    ///
    /// The certificate of the server must be signed by one of them, for the host name.
    ///
    /// [default: sslrootcert in the URL or service, then PGSSLROOTCERT, then ~/.postgresql/root.crt, then
    /// the system's certificates]
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<String>,
    /// Log in to Redshift as who the AWS credentials are
    ///
    /// Redshift returns a temporary user and password before each connection. The cluster or workgroup is that
    /// of the host name, or cluster=NAME or workgroup=NAME in the URL. Redshift only.
    ///
    /// [default: iam=1 in the URL, then SPARKIFY_IAM_LOGIN, then IAM_LOGIN in the --config file]
    #[arg(long)]
    iam_login: bool,
    /// Secret of AWS Secrets Manager with the password
    ///
    /// It is read before each connection: the text is the password, or JSON with username and password.
    ///
    /// [default: PASSWORD_SECRET in the --config file]
    #[arg(long, value_name = "ARN", conflicts_with = "iam_login")]
    password_secret: Option<String>,
}

/// The role with which Redshift reads the bucket.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Warehouse")]
pub(crate) struct IamRoleArgs {
    /// IAM role of COPY in Redshift: an ARN or 'default'
    ///
    /// [default: SPARKIFY_IAM_ROLE, then ARN in the --config file, then 'default', which is the
    /// default role of the cluster]
    #[arg(long, value_name = "ARN")]
    iam_role: Option<String>,
}

/// The warehouse and the configuration file that flags and environment name.
#[derive(Debug)]
pub(crate) struct ResolvedWarehouse {
    /// The warehouse, if one is named.
    pub warehouse: Option<WarehouseConfig>,
    /// The file of `--config`, which may also name the input.
    pub config_file: Option<ConfigFile>,
}

impl WarehouseArgs {
    /// Returns the first of the flags that is given.
    pub(crate) fn first_flag(&self) -> Option<&'static str> {
        let given = [
            ("--warehouse", self.warehouse.is_some()),
            ("--config", self.config.is_some()),
            ("--ca-bundle", self.ca_bundle.is_some()),
            ("--iam-login", self.iam_login),
            ("--password-secret", self.password_secret.is_some()),
        ];
        let given = given.into_iter().find(|&(_, is_given)| is_given);
        given.map(|(flag, _)| flag)
    }

    /// Resolves flags, environment and configuration file, in this order of precedence. The role is for
    /// commands that let Redshift read a bucket, and the options of AWS are for a login that comes from there.
    ///
    /// # Errors
    /// Returns an error if one of them is not valid, or if `--iam-role` is given for PostgreSQL.
    pub(crate) fn resolve(
        &self,
        role: Option<&IamRoleArgs>,
        aws: &AwsOptions,
        observer: &dyn Observer,
    ) -> Result<ResolvedWarehouse> {
        let mut warnings = Vec::new();
        let not_text = RefCell::new(None);
        let env = |name: &str| match env::var(name) {
            // As for libpq, the home directory does not depend on the environment.
            Ok(home) if name == "HOME" && home.is_empty() => home_dir(),
            Err(VarError::NotPresent) if name == "HOME" => home_dir(),
            Ok(value) => Some(value),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(_)) => {
                not_text.borrow_mut().get_or_insert(name.to_owned());
                None
            }
        };
        let file = self.config.as_deref();
        let file = file
            .map(|path| ConfigFile::read(path, &mut warnings))
            .transpose()?;
        let flags = ConnectionFlags {
            url: self.warehouse.as_deref(),
            ca_bundle: self.ca_bundle.as_deref(),
            iam_login: self.iam_login,
            password_secret: self.password_secret.as_deref(),
        };
        let connection = ConnectionConfig::resolve(flags, file.as_ref(), env, &mut warnings);
        ensure_text_variables(&not_text)?;
        let warehouse = match connection? {
            None => None,
            Some(connection) => {
                let connection = with_cloud_login(connection, aws)?;
                let role_flag = role.and_then(|role| role.iam_role.clone());
                if role_flag.is_some() && connection.dialect == Dialect::Postgres {
                    return Err(no_effect("--iam-role", "the warehouse is PostgreSQL"));
                }
                let iam_role = resolve_iam_role(role_flag, file.as_ref(), env);
                ensure_text_variables(&not_text)?;
                Some(WarehouseConfig {
                    connection,
                    iam_role: iam_role?,
                })
            }
        };
        for warning in &warnings {
            observer.warn(warning);
        }
        Ok(ResolvedWarehouse {
            warehouse,
            config_file: file,
        })
    }
}

fn home_dir() -> Option<String> {
    env::home_dir()?.into_os_string().into_string().ok()
}

impl IamRoleArgs {
    /// Returns true if the flag is given.
    pub(crate) fn is_given(&self) -> bool {
        self.iam_role.is_some()
    }
}

/// Returns an error that names the variable that is set but not UTF-8, if there is one: without it, the connection would
/// be another one.
fn ensure_text_variables(not_text: &RefCell<Option<String>>) -> Result<()> {
    match &*not_text.borrow() {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!("invalid {name}"))
            .with_reason("its value is not UTF-8 text")
            .with_hint("correct it, or unset it")),
    }
}

fn resolve_iam_role(
    flag: Option<String>,
    file: Option<&ConfigFile>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<IamRole> {
    let from_flag = flag.map(|role| ("--iam-role".to_owned(), role));
    let from_env = || {
        let role = env("SPARKIFY_IAM_ROLE").filter(|role| !role.is_empty());
        role.map(|role| ("SPARKIFY_IAM_ROLE".to_owned(), role))
    };
    let from_file = || {
        let file = file?;
        let role = file.iam_role.as_ref()?;
        let source = format!("ARN in {}", file.source(role));
        Some((source, role.value.clone()))
    };
    match from_flag.or_else(from_env).or_else(from_file) {
        None => Ok(IamRole::Default),
        Some((source, role)) => role.parse().map_err(|reason: String| {
            Error::usage(format!("cannot use {source}")).with_reason(reason)
        }),
    }
}

impl ResolvedWarehouse {
    /// Returns the warehouse, for a command that needs one.
    ///
    /// # Errors
    /// Returns an error if none is named.
    pub(crate) fn require(self) -> Result<WarehouseConfig> {
        self.warehouse.ok_or_else(|| {
            Error::usage("no warehouse is named").with_hint(
                "give --warehouse URL (postgres:// alone takes PGHOST, PGSERVICE and the like), set SPARKIFY_WAREHOUSE, or add \
                 [CLUSTER] to the --config file",
            )
        })
    }
}
