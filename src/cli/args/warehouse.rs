//! Arguments about the warehouse: which one, and as whom Redshift reads the bucket.

use std::env;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::warehouse::Warehouse;
use crate::warehouse::connect::config::{ConnectionConfig, ConnectionFlags};
use crate::warehouse::connect::config_file::ConfigFile;
use crate::warehouse::iam_role::IamRole;

/// How the warehouse is reached. Passwords are no flags: whoever lists processes would see them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Warehouse")]
pub(crate) struct WarehouseArgs {
    /// redshift://USER@HOST:5439/DATABASE or postgres://USER@HOST/DATABASE, without a password
    /// [default: SPARKIFY_WAREHOUSE; parts of it: PGHOST, PGUSER and the like]
    #[arg(long, value_name = "URL")]
    warehouse: Option<String>,
    /// File as dwh.cfg: [CLUSTER], [IAM_ROLE] and [S3], for what neither flags nor environment say
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Role as which Redshift reads the bucket: 'default' or its ARN
    /// [default: SPARKIFY_IAM_ROLE, that of --config, 'default']
    #[arg(long, value_name = "ARN")]
    iam_role: Option<String>,
    /// Certificates to trust for the warehouse, in PEM [default: sslrootcert of the URL, the system's]
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<String>,
}

/// What is known of the warehouse.
#[derive(Debug)]
pub(crate) struct ResolvedWarehouse {
    /// The warehouse, if one is named.
    pub warehouse: Option<Warehouse>,
    /// The file of `--config`, for the places of songs and logs in it.
    pub config_file: Option<ConfigFile>,
}

impl WarehouseArgs {
    /// Whether the command line itself is about a warehouse.
    pub(crate) fn has_any_flag(&self) -> bool {
        let has_load_flags = self.iam_role.is_some() || self.ca_bundle.is_some();
        self.warehouse.is_some() || self.config.is_some() || has_load_flags
    }

    /// What flags, environment and file say.
    ///
    /// # Errors
    /// Something of that is wrong.
    pub(crate) fn resolve(&self, progress: &Progress) -> Result<ResolvedWarehouse> {
        let mut warnings = Vec::new();
        let env = |name: &str| env::var(name).ok();
        let file = self.config.as_deref();
        let file = file
            .map(|path| ConfigFile::read(path, &mut warnings))
            .transpose()?;
        let flags = ConnectionFlags {
            url: self.warehouse.as_deref(),
            ca_bundle: self.ca_bundle.as_deref(),
        };
        let address = ConnectionConfig::resolve(flags, file.as_ref(), env, &mut warnings)?;
        let warehouse = match address {
            None => None,
            Some(address) => Some(Warehouse {
                connection: address,
                iam_role: self.resolve_iam_role(file.as_ref(), env)?,
            }),
        };
        for warning in &warnings {
            progress.warn(warning);
        }
        Ok(ResolvedWarehouse {
            warehouse,
            config_file: file,
        })
    }

    fn resolve_iam_role(
        &self,
        file: Option<&ConfigFile>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<IamRole> {
        let from_flag = self.iam_role.clone().map(|role| ("--iam-role", role));
        let from_env = || {
            let role = env("SPARKIFY_IAM_ROLE").filter(|role| !role.is_empty());
            role.map(|role| ("SPARKIFY_IAM_ROLE", role))
        };
        let from_file = || {
            let role = file?.iam_role.clone();
            role.map(|role| ("ARN of [IAM_ROLE] in --config", role))
        };
        match from_flag.or_else(from_env).or_else(from_file) {
            None => Ok(IamRole::Default),
            Some((source, role)) => role.parse().map_err(|why: String| {
                Error::usage(format!("cannot use {source}")).with_reason(why)
            }),
        }
    }
}

impl ResolvedWarehouse {
    /// The warehouse, which the command cannot do without.
    ///
    /// # Errors
    /// None is named.
    pub(crate) fn require(self) -> Result<Warehouse> {
        self.warehouse.ok_or_else(|| {
            Error::usage("no warehouse is named")
                .with_hint("give --warehouse URL, SPARKIFY_WAREHOUSE, or --config with a [CLUSTER]")
        })
    }
}
