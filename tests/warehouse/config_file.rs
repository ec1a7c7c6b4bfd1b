//! `dwh.cfg` in the forms that are found in practice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::ExposeSecret;
use sparkify::error::Result;
use sparkify::jobs::ConfigFile;

fn parse(text: &str) -> Result<ConfigFile> {
    ConfigFile::parse(Path::new("dwh.cfg"), text)
}

fn password(line: &str) -> Option<String> {
    let file = parse(&format!("[CLUSTER]\n{line}\n")).unwrap();
    file.password
        .map(|password| password.expose_secret().to_owned())
}

#[test]
fn complete_file_is_parsed() {
    let file = parse(
        "\u{feff}# ours\r\n[AWS]\r\nKEY=\r\nSECRET='x'\r\njunk\r\n\r\n[CLUSTER]\r\n\
         HOST='c.x.us-west-2.redshift.amazonaws.com'\r\ndb_name = dev\r\nDB_USER: \"loader\"\r\n\
         DB_PASSWORD=Passw0rd\r\n; the usual one\r\nDB_PORT = '5439'\r\n\
         [IAM_ROLE]\r\nARN='arn:aws:iam::123456789012:role/reader'\r\n\
         [S3]\r\nLOG_DATA='s3://udacity-dend/log_data'\r\nLOG_JSONPATH=s3://udacity-dend/log.json\r\n\
         SONG_DATA=\"s3://udacity-dend/song_data\"\r\n",
    )
    .unwrap();
    assert_eq!(
        file.host.as_deref(),
        Some("c.x.us-west-2.redshift.amazonaws.com")
    );
    assert_eq!(file.database.as_deref(), Some("dev"));
    assert_eq!(file.user.as_deref(), Some("loader"));
    assert_eq!(file.password.unwrap().expose_secret(), "Passw0rd");
    assert_eq!(file.port, Some(5439));
    assert_eq!(
        file.iam_role.as_deref(),
        Some("arn:aws:iam::123456789012:role/reader")
    );
    assert_eq!(file.log_data.as_deref(), Some("s3://udacity-dend/log_data"));
    assert_eq!(
        file.log_jsonpath.as_deref(),
        Some("s3://udacity-dend/log.json")
    );
    assert_eq!(
        file.song_data.as_deref(),
        Some("s3://udacity-dend/song_data")
    );
}

#[test]
fn password_may_contain_any_character() {
    for (line, expected) in [
        ("DB_PASSWORD=a#b;c%d=e:f", "a#b;c%d=e:f"),
        ("DB_PASSWORD = #begin", "#begin"),
        ("DB_PASSWORD: a=b", "a=b"),
        ("DB_PASSWORD='it's'", "it's"),
        ("DB_PASSWORD='", "'"),
        ("DB_PASSWORD=\"a'", "\"a'"),
        ("DB_PASSWORD=' a '", " a "),
        ("DB_PASSWORD=%%(x)s", "%%(x)s"),
        ("DB_PASSWORD=[x]", "[x]"),
        ("DB_PASSWORD=a\\n", "a\\n"),
    ] {
        assert_eq!(password(line).as_deref(), Some(expected), "{line}");
    }
}

#[test]
fn empty_value_is_absent() {
    for line in [
        "",
        "DB_PASSWORD=",
        "DB_PASSWORD=''",
        "DB_PASSWORD = \"\"",
        "#DB_PASSWORD=x",
    ] {
        assert_eq!(password(line), None, "{line}");
    }
    let file = parse("").unwrap();
    assert!(!file.has_cluster());
    assert_eq!(
        (file.port, file.iam_role, file.song_data),
        (None, None, None)
    );
}

#[test]
fn error_names_key_but_hides_value() {
    for (text, words) in [
        (
            "[CLUSTER]\nDB_PORT=planted\n",
            "DB_PORT in [CLUSTER] is not a number",
        ),
        (
            "[CLUSTER]\nDB_PORT=0\n",
            "DB_PORT in [CLUSTER] is not a number",
        ),
        ("[CLUSTER]\nplanted\n", "a line in [CLUSTER] has no ="),
        ("[S3]\nplanted\n", "a line in [S3] has no ="),
        ("[CLUSTER]\n=planted\n", "line 2"),
        ("\n[planted\n", "line 2"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("cannot parse dwh.cfg: "), "{error}");
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("planted"), "{error}");
    }
}

#[test]
fn world_readable_password_warns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dwh.cfg");
    for (text, mode, is_warned) in [
        ("[CLUSTER]\nDB_PASSWORD=planted\n", 0o644, true),
        ("[CLUSTER]\nDB_PASSWORD=planted\n", 0o640, false),
        ("[CLUSTER]\nHOST=h\n", 0o644, false),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let mut warnings = Vec::new();
        ConfigFile::read(&path, &mut warnings).unwrap();
        assert_eq!(warnings.len(), usize::from(is_warned), "{warnings:?}");
        assert!(!warnings.concat().contains("planted"));
    }
    let none = ConfigFile::read(&folder.path().join("none"), &mut Vec::new());
    assert!(none.unwrap_err().to_string().starts_with("cannot read "));
}
