//! Connection configuration: the precedence of the sources for every part, and the errors that name the
//! invalid part.

use std::time::Duration;

use sparkify::jobs::Dialect;
use sparkify::jobs::{RootCerts, TlsMode};

use crate::support::config_sources::ConfigSources;

const CONFIG_FILE: &str = "[CLUSTER]\nHOST=file-host\nDB_NAME=filedb\nDB_USER=fileuser\n\
    DB_PASSWORD=filepass\nDB_PORT=1111\n";

#[test]
fn url_is_parsed() {
    for (url, shown) in [
        ("redshift://me@h:1/d", "redshift://me@h:1/d"),
        ("redshift://me@h", "redshift://me@h:5439/dev"),
        ("redshift://me@h/", "redshift://me@h:5439/dev"),
        ("redshift://me@h:/d", "redshift://me@h:5439/d"),
        ("postgres://me@h", "postgres://me@h:5432/me"),
        ("postgresql://me@h/d", "postgres://me@h:5432/d"),
        ("postgres://me@:7", "postgres://me@localhost:7/me"),
        (
            "postgres://me@h,i:7,[::1]/d",
            "postgres://me@h:5432,i:7,[::1]:5432/d",
        ),
        ("postgres://me@h,i/d?port=9", "postgres://me@h:9,i:9/d"),
        (
            "postgres:///d?host=h,i&port=7,&user=me",
            "postgres://me@h:7,i:5432/d",
        ),
        ("postgres://me@h:1/d?host=i&dbname=e", "postgres://me@i:1/e"),
        (
            "postgres://me@/d?hostaddr=10.0.0.1,::1",
            "postgres://me@10.0.0.1:5432,[::1]:5432/d",
        ),
        (
            "postgresql://u@ep-cool-1.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
            "postgres://u@ep-cool-1.eu-central-1.aws.neon.tech:5432/neondb",
        ),
        (
            "postgresql://postgres.abcd@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true",
            "postgres://postgres.abcd@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
        ),
        (
            "postgresql://u@/db?host=/cloudsql/project:region:instance",
            "postgres://u@:5432/db?host=/cloudsql/project:region:instance",
        ),
        ("postgres://me@:7/d", "postgres://me@localhost:7/d"),
        ("postgres://me@[::1]/d", "postgres://me@[::1]:5432/d"),
        (
            "postgres://me@[2001:db8::7]:6/d",
            "postgres://me@[2001:db8::7]:6/d",
        ),
        ("postgres://m%40e@h/d%2Fe", "postgres://m@e@h:5432/d/e"),
        ("postgres://%C3%A9@h/d", "postgres://é@h:5432/d"),
        (
            "postgres://me@/d?host=/run/pg",
            "postgres://me@:5432/d?host=/run/pg",
        ),
        (
            "postgres://me@%2Frun%2Fpg:9/d",
            "postgres://me@:9/d?host=/run/pg",
        ),
    ] {
        assert_eq!(
            ConfigSources::from_url(url).connection_config().to_string(),
            shown,
            "{url}"
        );
    }
}

#[test]
fn url_parameters_are_parsed() {
    let config = ConfigSources::from_url(
        "redshift://me@h/d?sslmode=verify-ca&sslrootcert=%2Fa%20b.pem&connect_timeout=3&\
         application_name=mine&options=-c%20a%3Db",
    )
    .connection_config();
    assert_eq!(config.tls.mode, TlsMode::VerifyCa);
    assert_eq!(config.tls.root_certs, RootCerts::File("/a b.pem".into()));
    assert_eq!(config.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(config.application_name, "mine");
    assert_eq!(config.options.as_deref(), Some("-c a=b"));

    let config = ConfigSources::from_url("redshift://me@h").connection_config();
    assert_eq!(config.dialect, Dialect::Redshift);
    assert_eq!(config.connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!(config.application_name, "sparkify");
    assert_eq!(
        (config.options, config.hosts[0].password.is_none()),
        (None, true)
    );
    let config = ConfigSources::from_url("redshift://me@h?connect_timeout=0").connection_config();
    assert_eq!(config.connect_timeout, None);
}

#[test]
fn tls_follows_from_sslmode_and_root_certs() {
    let (system, file) = (RootCerts::System, RootCerts::File("f".into()));
    for (url, mode, roots) in [
        ("redshift://me@h", TlsMode::VerifyFull, &system),
        ("postgres://me@h", TlsMode::Prefer, &system),
        ("postgres://me@h?sslrootcert=f", TlsMode::Prefer, &file),
        ("redshift://me@h?sslrootcert=f", TlsMode::VerifyFull, &file),
        (
            "postgres://me@h?sslrootcert=system",
            TlsMode::VerifyFull,
            &system,
        ),
        ("redshift://me@h?sslmode=require", TlsMode::Require, &system),
        (
            "redshift://me@h?sslmode=require&sslrootcert=f",
            TlsMode::VerifyCa,
            &file,
        ),
        (
            "redshift://me@h?sslmode=prefer&sslrootcert=f",
            TlsMode::Prefer,
            &file,
        ),
        ("redshift://me@h?sslmode=disable", TlsMode::Disable, &system),
        ("redshift://me@h?sslmode=allow", TlsMode::Allow, &system),
    ] {
        let tls = ConfigSources::from_url(url).connection_config().tls;
        assert_eq!((tls.mode, &tls.root_certs), (mode, roots), "{url}");
    }
    let mut sources = ConfigSources::from_url("postgres://me@h?sslrootcert=g");
    sources.ca_bundle = Some("f".to_owned());
    assert_eq!(sources.connection_config().tls.root_certs, file);
}

#[test]
fn flag_overrides_environment_overrides_file() {
    let bare = ConfigSources::from_url("redshift://").with_file(CONFIG_FILE);
    assert_eq!(
        bare.connection_config().to_string(),
        "redshift://fileuser@file-host:1111/filedb"
    );
    let named = bare
        .with_env("PGHOST", "env-host")
        .with_env("PGPORT", "2222")
        .with_env("PGDATABASE", "envdb")
        .with_env("PGUSER", "envuser")
        .with_env("PGSSLMODE", "require")
        .with_env("PGSSLROOTCERT", "env.pem")
        .with_env("PGCONNECT_TIMEOUT", "4")
        .with_env("PGAPPNAME", "env app")
        .with_env("PGOPTIONS", "-c x=y");
    let config = named.connection_config();
    assert_eq!(config.to_string(), "redshift://envuser@env-host:2222/envdb");
    assert_eq!(config.tls.mode, TlsMode::VerifyCa);
    assert_eq!(config.tls.root_certs, RootCerts::File("env.pem".into()));
    assert_eq!(config.connect_timeout, Some(Duration::from_secs(4)));
    assert_eq!(config.application_name, "env app");
    assert_eq!(config.options.as_deref(), Some("-c x=y"));

    let mut flagged = named.clone();
    flagged.url = Some(
        "redshift://u@f:3/d?sslmode=verify-full&sslrootcert=x&connect_timeout=5&application_name=a&options=o"
            .to_owned(),
    );
    let config = flagged.connection_config();
    assert_eq!(config.to_string(), "redshift://u@f:3/d");
    assert_eq!(config.tls.mode, TlsMode::VerifyFull);
    assert_eq!(config.tls.root_certs, RootCerts::File("x".into()));
    assert_eq!(config.connect_timeout, Some(Duration::from_secs(5)));
    assert_eq!(config.application_name, "a");
    assert_eq!(config.options.as_deref(), Some("o"));
}

#[test]
fn warehouse_comes_from_flag_environment_or_file() {
    let variable = ConfigSources::default().with_env("SPARKIFY_WAREHOUSE", "postgres://v@h/d");
    assert_eq!(
        variable.connection_config().to_string(),
        "postgres://v@h:5432/d"
    );
    let file = ConfigSources::default().with_file(CONFIG_FILE);
    assert_eq!(
        file.connection_config().to_string(),
        "redshift://fileuser@file-host:1111/filedb"
    );
    let flag = ConfigSources {
        url: Some("postgres://f@h/e".to_owned()),
        ..variable.clone()
    };
    assert_eq!(
        flag.connection_config().to_string(),
        "postgres://f@h:5432/e"
    );

    for nothing in [
        ConfigSources::default(),
        ConfigSources::default()
            .with_env("PGHOST", "h")
            .with_env("PGUSER", "u"),
        ConfigSources::default().with_env("SPARKIFY_WAREHOUSE", ""),
        ConfigSources::default().with_file("[S3]\nLOG_DATA=s3://a/b\n"),
    ] {
        assert!(nothing.resolve().0.unwrap().is_none());
    }
}

#[test]
fn password_precedence_is_url_environment_file() {
    let file = ConfigSources::default().with_file(CONFIG_FILE);
    assert_eq!(file.resolve_password().as_deref(), Some("filepass"));
    let url = file
        .clone()
        .with_env("SPARKIFY_WAREHOUSE", "redshift://u:url%2Fpass@h/d");
    assert_eq!(url.resolve_password().as_deref(), Some("url/pass"));
    let variable = url.clone().with_env("PGPASSWORD", "envpass");
    assert_eq!(variable.resolve_password().as_deref(), Some("url/pass"));
    let variable = file.clone().with_env("PGPASSWORD", "envpass");
    assert_eq!(variable.resolve_password().as_deref(), Some("envpass"));
    // The password of the file applies only to the host and user in it.
    let other = file
        .clone()
        .with_env("PGHOST", "other")
        .with_env("PGUSER", "me");
    assert_eq!(other.resolve_password(), None);
    assert_eq!(
        file.clone()
            .with_env("PGUSER", "another")
            .resolve_password(),
        None
    );
    // A password in a URL applies only to the warehouse of that URL.
    let mut flag =
        ConfigSources::default().with_env("SPARKIFY_WAREHOUSE", "redshift://u:urlpass@h/d");
    flag.url = Some("redshift://u@other/d".to_owned());
    assert_eq!(flag.resolve_password(), None);
    assert_eq!(flag.with_env("PGPASSWORD", "").resolve_password(), None);
}

#[test]
fn invalid_setting_is_named() {
    for (url, words) in [
        ("h:5439/d", "redshift://USER@HOST:5439/DATABASE"),
        ("mysql://h/d", "expected redshift:// or postgres://"),
        ("jdbc:redshift://h:5439/d", "remove the jdbc: prefix"),
        (
            "redshift://me@h/d?sslmod=require",
            "unknown parameter 'sslmod'; did you mean sslmode?",
        ),
        ("redshift://me@h/d?sslmode=yes", "sslmode must be disable"),
        (
            "redshift://me@h/d?connect_timeout=soon",
            "connect_timeout is not a number",
        ),
        (
            "redshift://me@h:0/d",
            "the port is not a number from 1 to 65535",
        ),
        ("redshift://me@h:65536/d", "the port is not a number"),
        ("redshift://me@[::1/d", "missing ] after ["),
        ("redshift://me@[h]/d", "invalid IPv6 address"),
        ("redshift://me@[::1]5/d", "expected : after ]"),
        (
            "redshift://me@h/d%",
            "invalid percent-encoding in the database",
        ),
        (
            "redshift://me@h/d%4",
            "invalid percent-encoding in the database",
        ),
        (
            "redshift://me@h/d%zz",
            "invalid percent-encoding in the database",
        ),
        (
            "redshift://me@h/d%00",
            "invalid percent-encoding in the database",
        ),
        ("redshift://me@h/d%FF", "the database is not valid UTF-8"),
        (
            "redshift://me@/d",
            "missing host of the warehouse; set it in the URL",
        ),
        (
            "redshift://h/d",
            "missing user of the warehouse; set it in the URL",
        ),
        (
            "redshift://me@/d?host=/tmp",
            "host names a Unix socket, which Redshift does not have",
        ),
        (
            "redshift://me@h?sslmode=require&sslrootcert=system",
            "requires sslmode=verify-full; leave out sslmode; check sslmode (--warehouse) and sslrootcert (--warehouse)",
        ),
        (
            "redshift://me@h?sslmode=verify-ca",
            "sslmode=verify-ca requires sslrootcert",
        ),
        (
            "postgres://me@/d?hostaddr=::1&sslmode=verify-full",
            "hostaddr is set without host",
        ),
        ("postgres://me@h/d?sslmode", "a parameter after ? has no ="),
        (
            "postgres://me@h/d?ssl=false",
            "ssl is not supported; use sslmode",
        ),
        ("postgres://me@h/d?sslmod=", "unknown parameter 'sslmod'"),
        (
            "postgres://me@h/d?password=abc&hun=ter2",
            "unknown parameter; write ? and & in a password as %3F and %26",
        ),
        ("redshift://me:word@h/d", "must not contain a password"),
        (
            "redshift://me@h/d?password=word",
            "must not contain a password",
        ),
        (
            "postgres://me@h/d?sslpassword=word",
            "must not contain a password",
        ),
        ("redshift://me:wo/rd@h/d", "user or password as %2F"),
        (
            "postgres://me@h,i/d?port=1,2,3",
            "port has 3 entries, but there are 2 hosts",
        ),
        (
            "postgres://me@h,i/d?hostaddr=::1",
            "hostaddr has 1 entries, but there are 2 hosts",
        ),
        (
            "postgres://me@h/d?hostaddr=name",
            "hostaddr is not an IP address",
        ),
        (
            "postgres://me@/d?host=%40abstract",
            "host names an abstract Unix socket",
        ),
        (
            "postgres://me@h/d?target_session_attrs=any1",
            "target_session_attrs must be any",
        ),
        (
            "redshift://me@h/d?target_session_attrs=standby",
            "Redshift has no standby servers",
        ),
        (
            "postgres://me@h/d?channel_binding=yes",
            "channel_binding must be disable, prefer or require",
        ),
        (
            "postgres://me@h/d?load_balance_hosts=yes",
            "load_balance_hosts must be disable or random",
        ),
        (
            "postgres://me@h/d?keepalives_idle=x",
            "keepalives_idle is not a number",
        ),
        (
            "postgres://me@h/d?service=s&sslcrl=f",
            "sslcrl is not supported: certificates are not compared",
        ),
        ("redshift://me:wo?rd@h/d", "must not contain a password"),
    ] {
        let error = ConfigSources::from_url(url).resolve_error();
        assert!(error.to_string().contains(words), "{url}: {error}");
        assert_eq!(error.exit_code(), 2, "{url}");
    }
    for (name, value, words) in [
        ("PGHOSTADDR", "many", "PGHOSTADDR is not an IP address"),
        ("PGCHANNELBINDING", "on", "PGCHANNELBINDING must be disable"),
        (
            "PGTARGETSESSIONATTRS",
            "on",
            "PGTARGETSESSIONATTRS must be any",
        ),
        ("PGPORT", "many", "PGPORT is not a number from 1 to 65535"),
        ("PGSSLMODE", "on", "PGSSLMODE must be disable"),
        (
            "PGCONNECT_TIMEOUT",
            "x",
            "PGCONNECT_TIMEOUT is not a number of seconds",
        ),
    ] {
        let error = ConfigSources::from_url("postgres://me@h")
            .with_env(name, value)
            .resolve_error();
        assert!(error.to_string().contains(words), "{error}");
    }
}
