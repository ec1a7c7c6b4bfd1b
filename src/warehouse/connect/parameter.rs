//! Lists the connection parameters of libpq: their names in URLs and services, their environment variables, and which of
//! them are supported (PostgreSQL documentation, "Parameter Key Words" and "Environment Variables").

/// A connection parameter that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Parameter {
    Host,
    HostAddress,
    Port,
    Database,
    User,
    Password,
    PasswordFile,
    PasswordSecret,
    IamLogin,
    Cluster,
    Workgroup,
    Service,
    ConnectTimeout,
    ApplicationName,
    FallbackApplicationName,
    Options,
    ChannelBinding,
    TargetSession,
    LoadBalanceHosts,
    Keepalives,
    KeepalivesIdle,
    KeepalivesInterval,
    KeepalivesCount,
    TcpUserTimeout,
    TlsMode,
    TlsNegotiation,
    RootCerts,
    Certificate,
    CertificateMode,
    Key,
    KeyPassword,
    ServerNameIndication,
    MinTlsVersion,
    MaxTlsVersion,
}

/// Whether a parameter is supported.
#[derive(Debug, Clone, Copy)]
pub(super) enum Support {
    /// The parameter is supported.
    Full(Parameter),
    /// Only these values are accepted, because they ask for what happens anyway. The reason says what does not happen.
    Only {
        accepted: &'static [&'static str],
        reason: &'static str,
    },
}

/// A connection parameter of libpq.
#[derive(Debug)]
pub(super) struct ParameterSpec {
    /// Name in a URL or a service.
    pub name: &'static str,
    /// Environment variable.
    pub variable: Option<&'static str>,
    pub support: Support,
}

const fn full(
    name: &'static str,
    variable: Option<&'static str>,
    parameter: Parameter,
) -> ParameterSpec {
    ParameterSpec {
        name,
        variable,
        support: Support::Full(parameter),
    }
}

const fn only(
    name: &'static str,
    variable: Option<&'static str>,
    accepted: &'static [&'static str],
    reason: &'static str,
) -> ParameterSpec {
    ParameterSpec {
        name,
        variable,
        support: Support::Only { accepted, reason },
    }
}

const OFF: &[&str] = &["0", "off", "false", "no"];
const NO_REVOCATION: &str =
    "is not supported: certificates are not compared with a revocation list";
const NO_GSS: &str = "is not supported: there is no GSSAPI or Kerberos in this program";
const NO_OAUTH: &str = "is not supported: there is no login by OAuth in this program";

/// All parameters of libpq 18, those that URLs of PostgreSQL services contain besides, and those of logins by IAM.
pub(super) const PARAMETERS: &[ParameterSpec] = &[
    full("host", Some("PGHOST"), Parameter::Host),
    full("hostaddr", Some("PGHOSTADDR"), Parameter::HostAddress),
    full("port", Some("PGPORT"), Parameter::Port),
    full("dbname", Some("PGDATABASE"), Parameter::Database),
    full("user", Some("PGUSER"), Parameter::User),
    full("password", Some("PGPASSWORD"), Parameter::Password),
    full("passfile", Some("PGPASSFILE"), Parameter::PasswordFile),
    full("iam", Some("SPARKIFY_IAM_LOGIN"), Parameter::IamLogin),
    full("cluster", None, Parameter::Cluster),
    full("workgroup", None, Parameter::Workgroup),
    full("service", Some("PGSERVICE"), Parameter::Service),
    full(
        "connect_timeout",
        Some("PGCONNECT_TIMEOUT"),
        Parameter::ConnectTimeout,
    ),
    full(
        "application_name",
        Some("PGAPPNAME"),
        Parameter::ApplicationName,
    ),
    full(
        "fallback_application_name",
        None,
        Parameter::FallbackApplicationName,
    ),
    full("options", Some("PGOPTIONS"), Parameter::Options),
    full(
        "channel_binding",
        Some("PGCHANNELBINDING"),
        Parameter::ChannelBinding,
    ),
    full(
        "target_session_attrs",
        Some("PGTARGETSESSIONATTRS"),
        Parameter::TargetSession,
    ),
    full(
        "load_balance_hosts",
        Some("PGLOADBALANCEHOSTS"),
        Parameter::LoadBalanceHosts,
    ),
    full("keepalives", None, Parameter::Keepalives),
    full("keepalives_idle", None, Parameter::KeepalivesIdle),
    full("keepalives_interval", None, Parameter::KeepalivesInterval),
    full("keepalives_count", None, Parameter::KeepalivesCount),
    full("tcp_user_timeout", None, Parameter::TcpUserTimeout),
    full("sslmode", Some("PGSSLMODE"), Parameter::TlsMode),
    full(
        "sslnegotiation",
        Some("PGSSLNEGOTIATION"),
        Parameter::TlsNegotiation,
    ),
    full("sslrootcert", Some("PGSSLROOTCERT"), Parameter::RootCerts),
    full("sslcert", Some("PGSSLCERT"), Parameter::Certificate),
    full(
        "sslcertmode",
        Some("PGSSLCERTMODE"),
        Parameter::CertificateMode,
    ),
    full("sslkey", Some("PGSSLKEY"), Parameter::Key),
    full("sslpassword", None, Parameter::KeyPassword),
    full("sslsni", Some("PGSSLSNI"), Parameter::ServerNameIndication),
    full(
        "ssl_min_protocol_version",
        Some("PGSSLMINPROTOCOLVERSION"),
        Parameter::MinTlsVersion,
    ),
    full(
        "ssl_max_protocol_version",
        Some("PGSSLMAXPROTOCOLVERSION"),
        Parameter::MaxTlsVersion,
    ),
    only("sslcrl", Some("PGSSLCRL"), &[], NO_REVOCATION),
    only("sslcrldir", Some("PGSSLCRLDIR"), &[], NO_REVOCATION),
    only(
        "sslcompression",
        Some("PGSSLCOMPRESSION"),
        OFF,
        "is not supported: TLS connections are not compressed",
    ),
    only(
        "sslkeylogfile",
        None,
        &[],
        "is not supported: session keys are not written to a file",
    ),
    only(
        "requiressl",
        Some("PGREQUIRESSL"),
        OFF,
        "is not supported; use sslmode=require",
    ),
    only(
        "requirepeer",
        Some("PGREQUIREPEER"),
        &[],
        "is not supported: the user of the server process is not checked",
    ),
    only(
        "require_auth",
        Some("PGREQUIREAUTH"),
        &[],
        "is not supported; channel_binding=require or sslmode=verify-full protect the password",
    ),
    only(
        "gssencmode",
        Some("PGGSSENCMODE"),
        &["disable", "prefer"],
        NO_GSS,
    ),
    only("krbsrvname", Some("PGKRBSRVNAME"), &[], NO_GSS),
    only("gsslib", Some("PGGSSLIB"), &[], NO_GSS),
    only("gssdelegation", Some("PGGSSDELEGATION"), OFF, NO_GSS),
    only(
        "client_encoding",
        Some("PGCLIENTENCODING"),
        &["UTF8", "UTF-8", "unicode", "auto"],
        "is not supported; leave it out, because text is sent as UTF-8",
    ),
    only(
        "replication",
        None,
        OFF,
        "is not supported: this program does not replicate",
    ),
    only(
        "min_protocol_version",
        Some("PGMINPROTOCOLVERSION"),
        &["3.0"],
        "must be 3.0: this program uses version 3.0 of the protocol",
    ),
    only(
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        &["3.0", "3.2", "latest"],
        "must be 3.0, 3.2 or latest",
    ),
    only("oauth_issuer", None, &[], NO_OAUTH),
    only("oauth_client_id", None, &[], NO_OAUTH),
    only("oauth_client_secret", None, &[], NO_OAUTH),
    only("oauth_scope", None, &[], NO_OAUTH),
    only(
        "scram_client_key",
        None,
        &[],
        "is not supported; log in with a password",
    ),
    only(
        "scram_server_key",
        None,
        &[],
        "is not supported; log in with a password",
    ),
    only(
        "servicefile",
        None,
        &[],
        "is not supported in a URL; use PGSERVICEFILE",
    ),
    only("ssl", None, &[], "is not supported; use sslmode"),
    // Supabase appends it for clients that have to avoid named prepared statements.
    only(
        "pgbouncer",
        None,
        &["true", "false"],
        "must be true or false",
    ),
];

/// Environment variables with a default of the session, and the setting of the server for each.
pub(super) const SESSION_VARIABLES: [(&str, &str); 3] = [
    ("PGDATESTYLE", "datestyle"),
    ("PGTZ", "timezone"),
    ("PGGEQO", "geqo"),
];

/// Returns the parameter with this name.
pub(super) fn find_parameter(name: &str) -> Option<&'static ParameterSpec> {
    PARAMETERS.iter().find(|spec| spec.name == name)
}

/// Returns the name that is most similar to a misspelled one, if any is.
pub(super) fn similar_name<'a>(
    misspelled: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const MIN_SIMILARITY: f64 = 0.8;
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(misspelled, name), name))
        .filter(|&(similarity, _)| similarity >= MIN_SIMILARITY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
