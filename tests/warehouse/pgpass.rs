//! `~/.pgpass`, by the rules of libpq.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use crate::support::config_sources::ConfigSources;

/// Returns the password of `me` in database `d` on `host:5432`, and the number of warnings.
fn look_up_password(text: &str, url: &str, mode: u32) -> (Option<String>, usize) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".pgpass");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let sources = ConfigSources::from_url(url).with_env("HOME", home.path().to_str().unwrap());
    let (config, warnings) = sources.resolve();
    let config = config.unwrap().unwrap();
    let password = config.hosts[0].password.as_ref();
    (
        password.map(|password| password.expose_secret().to_owned()),
        warnings.len(),
    )
}

#[test]
fn first_matching_line_wins() {
    for (text, expected) in [
        ("host:5432:d:me:p", Some("p")),
        ("*:*:*:*:p", Some("p")),
        ("host:*:d:*:p\n", Some("p")),
        ("host:5432:d:me:p\r\n", Some("p")),
        ("# host:5432:d:me:no\nhost:5432:d:me:p", Some("p")),
        (
            "other:5432:d:me:no\nhost:5432:d:me:p\nhost:5432:d:me:late",
            Some("p"),
        ),
        ("host:5432:d:me:a\\:b\\\\c", Some("a:b\\c")),
        ("host:5432:d:me:p:more", Some("p")),
        ("h\\ost:5432:d:me:p", Some("p")),
        ("host:5432:d:me:#p", Some("#p")),
        ("host:5432:d:me: p ", Some(" p ")),
        ("\\*:*:*:*:p", None),
        ("host*:5432:d:me:p", None),
        ("host:5433:d:me:p", None),
        ("host:5432:e:me:p", None),
        ("host:5432:d:you:p", None),
        ("host:5432:d:me", None),
        ("host:5432:d:me:", None),
        // The line says that this server has no password.
        ("host:5432:d:me:\n*:*:*:*:broad", None),
        ("host", None),
        ("", None),
    ] {
        let (password, warnings) = look_up_password(text, "postgres://me@host/d", 0o600);
        assert_eq!((password.as_deref(), warnings), (expected, 0), "{text:?}");
    }
}

#[test]
fn socket_and_ipv6_hosts_match() {
    for (text, url) in [
        (
            "localhost:5432:d:me:p",
            "postgres://me@/d?host=/var/run/postgresql",
        ),
        ("/srv/pg:5432:d:me:p", "postgres://me@/d?host=/srv/pg"),
        (
            "localhost:5432:d:me:no\n/tmp:5432:d:me:p",
            "postgres://me@/d?host=/tmp",
        ),
        ("\\:\\:1:5432:d:me:p", "postgres://me@[::1]/d"),
        ("host:5439:dev:me:p", "redshift://me@host"),
    ] {
        assert_eq!(
            look_up_password(text, url, 0o600),
            (Some("p".to_owned()), 0),
            "{url}"
        );
    }
}

#[test]
fn file_readable_by_others_is_ignored_with_warning() {
    for mode in [0o640, 0o604, 0o644, 0o620] {
        assert_eq!(
            look_up_password("*:*:*:*:p", "postgres://me@host/d", mode),
            (None, 1),
            "{mode:o}"
        );
    }
    assert_eq!(
        look_up_password("*:*:*:*:p", "postgres://me@host/d", 0o400).1,
        0
    );
}

#[test]
fn pgpassfile_sets_path_and_has_lowest_precedence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine");
    fs::write(&path, "*:*:*:*:p\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let sources = ConfigSources::from_url("redshift://me@h")
        .with_env("PGPASSFILE", path.to_str().unwrap())
        .with_env("HOME", "/nowhere");
    assert_eq!(sources.resolve_password().as_deref(), Some("p"));
    let file = sources.with_file("[CLUSTER]\nDB_PASSWORD=f\n");
    assert_eq!(file.resolve_password().as_deref(), Some("f"));
    let none = ConfigSources::from_url("redshift://me@h").with_env("PGPASSFILE", "/nowhere/at/all");
    let (config, warnings) = none.resolve();
    assert!(config.unwrap().unwrap().hosts[0].password.is_none());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("cannot read /nowhere/at/all: "),
        "{warnings:?}"
    );
    let folder = ConfigSources::from_url("redshift://me@h").with_env("PGPASSFILE", "/");
    assert_eq!(
        folder.resolve().1,
        ["ignoring password file /: not a plain file"]
    );
}
