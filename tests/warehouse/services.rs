//! Services in `pg_service.conf`, by the rules of libpq.

use std::fs;

use tempfile::TempDir;

use crate::support::config_sources::ConfigSources;

const USER_FILE: &str = "# ours\n[music]\nhost=h\nport=7\nhost=late\n\n  dbname=d  \nuser=me\npassword=p\n\
    sslmode=require\n[other]\nhost=o\nsslcrl=x\n[odd]\nhost\n[nested]\nservice=music\n[ldap]\nldap://x/y?z?one\n\
    [unknown]\nhst=h\n[bad]\nport=x\n[music]\nhost=second\n";

/// Returns sources whose home directory has a service file, and a system directory with another.
fn sources(url: &str) -> (ConfigSources, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::write(home.join(".pg_service.conf"), USER_FILE).unwrap();
    fs::create_dir(home.join("etc")).unwrap();
    let system = "[music]\nhost=system\n[shared]\nhost=s\nuser=all\n";
    fs::write(home.join("etc/pg_service.conf"), system).unwrap();
    let sources = ConfigSources::from_url(url)
        .with_env("HOME", home.to_str().unwrap())
        .with_env("PGSYSCONFDIR", home.join("etc").to_str().unwrap());
    (sources, folder)
}

#[test]
fn service_fills_what_the_url_leaves_out() {
    for (url, variable, expected) in [
        ("postgres:///?service=music", None, "postgres://me@h:7/d"),
        ("postgres://", Some("music"), "postgres://me@h:7/d"),
        (
            "postgres://you@i/e?service=music",
            None,
            "postgres://you@i:7/e",
        ),
        (
            "postgres:///?service=music",
            Some("shared"),
            "postgres://me@h:7/d",
        ),
        (
            "postgres:///?service=shared",
            None,
            "postgres://all@s:5432/all",
        ),
        ("redshift://", Some("shared"), "redshift://all@s:5439/dev"),
    ] {
        let (mut sources, _folder) = sources(url);
        if let Some(service) = variable {
            sources = sources.with_env("PGSERVICE", service);
        }
        assert_eq!(sources.connection_config().to_string(), expected, "{url}");
    }
}

#[test]
fn service_overrides_environment() {
    let (sources, _folder) = sources("postgres:///?service=music");
    let sources = sources
        .with_env("PGHOST", "elsewhere")
        .with_env("PGPASSWORD", "other")
        .with_env("PGAPPNAME", "mine");
    let config = sources.connection_config();
    assert_eq!(config.to_string(), "postgres://me@h:7/d");
    assert_eq!(config.application_name, "mine");
    assert_eq!(sources.resolve_password().as_deref(), Some("p"));
}

#[test]
fn service_file_is_named_by_variable() {
    let (sources, folder) = sources("postgres:///?service=mine");
    let path = folder.path().join("mine.conf");
    fs::write(
        &path,
        "[mine] # ours\nhost=m\nuser=me\ndbname=\npassword=\n",
    )
    .unwrap();
    let sources = sources.with_env("PGSERVICEFILE", path.to_str().unwrap());
    let missing = sources.clone().with_env("PGSERVICEFILE", "/no/such/file");
    let error = missing.resolve_error().to_string();
    assert!(
        error.contains("cannot read /no/such/file: it does not exist; check PGSERVICEFILE"),
        "{error}"
    );
    assert_eq!(
        sources.connection_config().to_string(),
        "postgres://me@m:5432/me"
    );
}

#[test]
fn invalid_service_is_named_with_its_line() {
    for (service, words) in [
        (
            "none",
            "cannot find service 'none', which --warehouse names: it is not in ",
        ),
        ("other", "pg_service.conf, line 13: sslcrl is not supported"),
        ("odd", "pg_service.conf, line 15: the line has no ="),
        (
            "nested",
            "pg_service.conf, line 17: a service cannot name another service",
        ),
        (
            "ldap",
            "pg_service.conf, line 19: services in LDAP are not supported",
        ),
        (
            "unknown",
            "pg_service.conf, line 21: unknown parameter 'hst'; did you mean host?",
        ),
        ("bad", "pg_service.conf, line 23: port is not a number"),
    ] {
        let (sources, _folder) = sources(&format!("postgres://me@/d?service={service}"));
        let error = sources.resolve_error();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}
