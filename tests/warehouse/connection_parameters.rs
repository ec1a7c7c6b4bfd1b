//! The parameters of libpq, each of which is honoured or refused by its name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use postgres::config::ChannelBinding;
use secrecy::ExposeSecret;
use sparkify::jobs::{Keepalives, TargetSession, TlsMode};

use crate::support::config_sources::ConfigSources;

/// Every parameter of libpq is honoured or refused by name, never ignored.
#[test]
fn parameter_that_is_not_supported_is_refused_by_name() {
    for (name, variable, value, accepted) in [
        ("sslcrl", Some("PGSSLCRL"), "f", None),
        ("sslcrldir", Some("PGSSLCRLDIR"), "f", None),
        ("sslcompression", Some("PGSSLCOMPRESSION"), "1", Some("0")),
        ("sslkeylogfile", None, "f", None),
        ("requiressl", Some("PGREQUIRESSL"), "1", Some("0")),
        ("requirepeer", Some("PGREQUIREPEER"), "postgres", None),
        ("require_auth", Some("PGREQUIREAUTH"), "scram-sha-256", None),
        (
            "gssencmode",
            Some("PGGSSENCMODE"),
            "require",
            Some("prefer"),
        ),
        ("krbsrvname", Some("PGKRBSRVNAME"), "postgres", None),
        ("gsslib", Some("PGGSSLIB"), "gssapi", None),
        ("gssdelegation", Some("PGGSSDELEGATION"), "1", Some("0")),
        (
            "client_encoding",
            Some("PGCLIENTENCODING"),
            "LATIN1",
            Some("utf8"),
        ),
        ("replication", None, "database", Some("false")),
        (
            "min_protocol_version",
            Some("PGMINPROTOCOLVERSION"),
            "3.2",
            Some("3.0"),
        ),
        (
            "max_protocol_version",
            Some("PGMAXPROTOCOLVERSION"),
            "2.0",
            Some("latest"),
        ),
        ("oauth_issuer", None, "i", None),
        ("oauth_client_id", None, "i", None),
        ("oauth_client_secret", None, "i", None),
        ("oauth_scope", None, "i", None),
        ("scram_client_key", None, "k", None),
        ("scram_server_key", None, "k", None),
        ("servicefile", None, "f", None),
    ] {
        let in_url =
            |value: &str| ConfigSources::from_url(&format!("postgres://me@h/d?{name}={value}"));
        let error = in_url(value).resolve_error().to_string();
        let prefix = format!("invalid --warehouse URL: {name} ");
        assert!(error.starts_with(&prefix), "{error}");
        if let Some(accepted) = accepted {
            in_url(accepted).connection_config();
        }
        let Some(variable) = variable else { continue };
        let in_env =
            |value: &str| ConfigSources::from_url("postgres://me@h/d").with_env(variable, value);
        let error = in_env(value).resolve_error().to_string();
        let prefix = format!("invalid environment variable: {variable} ");
        assert!(error.starts_with(&prefix), "{error}");
        if let Some(accepted) = accepted {
            in_env(accepted).connection_config();
        }
    }
}

#[test]
fn parameters_of_the_connection_are_parsed() {
    let config = ConfigSources::from_url(
        "postgres://me@h/d?hostaddr=::1&target_session_attrs=prefer-standby&load_balance_hosts=random&\
         channel_binding=require&keepalives=0&keepalives_idle=1&keepalives_interval=2&keepalives_count=3&\
         tcp_user_timeout=4&fallback_application_name=other",
    )
    .connection_config();
    assert_eq!(config.hosts[0].address, Some("::1".parse().unwrap()));
    assert_eq!(config.target_session, TargetSession::PreferStandby);
    assert!(config.load_balance);
    assert_eq!(config.channel_binding, ChannelBinding::Require);
    let keepalives = Keepalives {
        enabled: false,
        idle: Duration::from_secs(1),
        interval: Duration::from_secs(2),
        count: 3,
        user_timeout: Duration::from_millis(4),
    };
    assert_eq!(config.keepalives, keepalives);
    assert_eq!(config.application_name, "other");
}

#[test]
fn each_host_has_its_own_line_of_the_password_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwords");
    fs::write(&path, "# ours\nh:*:*:*:one\ni:5433:*:*:two\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("postgres://me@h,i:5433,j/d?passfile={}", path.display());
    let config = ConfigSources::from_url(&url).connection_config();
    let passwords = config.hosts.iter().map(|host| {
        let password = host.password.as_ref()?.expose_secret();
        Some((password, host.password_source.as_ref()?.to_string()))
    });
    let line = |line: u32| format!("{}, line {line}", path.display());
    assert_eq!(
        passwords.collect::<Vec<_>>(),
        [Some(("one", line(2))), Some(("two", line(3))), None]
    );
}

#[test]
fn defaults_of_a_session_become_options() {
    for (url, options) in [
        ("postgres://me@h/d", "-c work_mem=64MB"),
        ("postgres://me@h/d?options=-c%20a%3Db", "-c a=b"),
    ] {
        let config = ConfigSources::from_url(url)
            .with_env("PGTZ", "Europe/Berlin")
            .with_env("PGDATESTYLE", "German, DMY")
            .with_env("PGGEQO", "default")
            .with_env("PGOPTIONS", "-c work_mem=64MB")
            .connection_config();
        let defaults = r"-c datestyle=German,\ DMY -c timezone=Europe/Berlin";
        assert_eq!(config.options, Some(format!("{defaults} {options}")));
    }
}

#[test]
fn at_sign_in_a_parameter_is_part_of_its_value() {
    for (url, user, name) in [
        ("postgres://h/d?user=a@b&application_name=c@d", "a@b", "c@d"),
        ("postgres://me@h?application_name=c@d", "me", "c@d"),
    ] {
        let config = ConfigSources::from_url(url).connection_config();
        assert_eq!(
            (config.user.as_str(), config.application_name.as_str()),
            (user, name)
        );
        assert_eq!(config.hosts[0].host, "h");
    }
    let variable =
        ConfigSources::default().with_env("SPARKIFY_WAREHOUSE", "postgres://me:w@o?r@d@h/d");
    assert!(variable.resolve().0.is_err());
    let variable =
        ConfigSources::default().with_env("SPARKIFY_WAREHOUSE", "postgres://me:wo?rd@h/d");
    assert_eq!(variable.resolve_password().as_deref(), Some("wo?rd"));
}

#[test]
fn port_of_the_environment_is_not_that_of_a_list_of_hosts() {
    let list = ConfigSources::from_url("postgres://me@h,i/d").with_env("PGPORT", "6000");
    assert_eq!(
        list.connection_config().to_string(),
        "postgres://me@h:5432,i:5432/d"
    );
    let host = ConfigSources::from_url("postgres://me@h/d").with_env("PGPORT", "6000");
    assert_eq!(
        host.connection_config().to_string(),
        "postgres://me@h:6000/d"
    );
}

#[test]
fn ca_bundle_means_verify_full_unless_the_url_says_verify_ca() {
    let sources = |url: &str| ConfigSources {
        ca_bundle: Some("f".to_owned()),
        ..ConfigSources::from_url(url).with_env("PGSSLMODE", "prefer")
    };
    let mode = |url: &str| sources(url).connection_config().tls.mode;
    assert_eq!(mode("postgres://me@h/d"), TlsMode::VerifyFull);
    assert_eq!(
        mode("postgres://me@h/d?sslmode=verify-ca"),
        TlsMode::VerifyCa
    );
    let error = sources("postgres://me@h/d?sslmode=disable").resolve_error();
    let words = "sslmode must be verify-ca or verify-full with --ca-bundle";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn address_takes_precedence_over_a_socket() {
    let config =
        ConfigSources::from_url("postgres://me@/d?host=/run/pg&hostaddr=::1").connection_config();
    assert_eq!(config.hosts[0].socket_dir(), None);
}

#[test]
fn revocation_list_is_ignored_with_warning() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".postgresql")).unwrap();
    let list = home.path().join(".postgresql/root.crl");
    fs::write(&list, "").unwrap();
    let sources =
        |url: &str| ConfigSources::from_url(url).with_env("HOME", home.path().to_str().unwrap());
    let warnings = sources("redshift://me@h/d").resolve().1;
    let expected = format!(
        "ignoring {}: certificates are not compared with a revocation list",
        list.display()
    );
    assert_eq!(warnings, [expected]);
    assert_eq!(
        sources("postgres://me@h/d").resolve().1,
        Vec::<String>::new()
    );
}
