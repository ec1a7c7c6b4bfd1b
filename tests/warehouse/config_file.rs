//! `dwh.cfg` in the forms that are found in practice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::ExposeSecret;
use sparkify::error::Result;
use sparkify::jobs::{ConfigFile, ConfigValue};

fn parse(text: &str) -> Result<ConfigFile> {
    ConfigFile::parse(Path::new("dwh.cfg"), text)
}

fn password(line: &str) -> Option<String> {
    let file = parse(&format!("[CLUSTER]\n{line}\n")).unwrap();
    file.password
        .map(|password| password.value.expose_secret().to_owned())
}

fn text(value: &Option<ConfigValue>) -> Option<(&str, usize)> {
    value
        .as_ref()
        .map(|value| (value.value.as_str(), value.line))
}

#[test]
fn complete_file_is_parsed_with_its_lines() {
    let file = parse(
        "\u{feff}# ours\r\n[AWS]\r\nKEY=\r\nSECRET='x'\r\n\r\n[DWH]\r\nDWH_NUM_NODES=4\r\n[CLUSTER]\r\n\
         HOST='c.x.us-west-2.redshift.amazonaws.com'\r\ndb_name = dev\r\nDB_USER: \"loader\"\r\n\
         DB_PASSWORD=Passw0rd\r\n; the usual one\r\nDB_PORT = '5439'\r\n\
         [IAM_ROLE]\r\n  ARN='arn:aws:iam::123456789012:role/reader'\r\n\
         [S3]\r\n  LOG_DATA='s3://udacity-dend/log_data'\r\n  LOG_JSONPATH=s3://udacity-dend/log.json\r\n\
         \x20 SONG_DATA=\"s3://udacity-dend/song_data\"\r\n",
    )
    .unwrap();
    let host = "c.x.us-west-2.redshift.amazonaws.com";
    assert_eq!(text(&file.host), Some((host, 9)));
    assert_eq!(text(&file.database), Some(("dev", 10)));
    assert_eq!(text(&file.user), Some(("loader", 11)));
    assert_eq!(file.password.unwrap().value.expose_secret(), "Passw0rd");
    assert_eq!(
        file.port.map(|port| (port.value, port.line)),
        Some((5439, 14))
    );
    let role = "arn:aws:iam::123456789012:role/reader";
    assert_eq!(text(&file.iam_role), Some((role, 16)));
    assert_eq!(
        text(&file.log_data),
        Some(("s3://udacity-dend/log_data", 18))
    );
    assert_eq!(
        text(&file.log_jsonpath),
        Some(("s3://udacity-dend/log.json", 19))
    );
    assert_eq!(
        text(&file.song_data),
        Some(("s3://udacity-dend/song_data", 20))
    );
}

#[test]
fn host_may_be_the_endpoint_that_the_console_shows() {
    for (lines, host, port, database) in [
        (
            "HOST=c.aws.com:5440/music",
            "c.aws.com",
            Some(5440),
            Some("music"),
        ),
        ("HOST=c.aws.com:5440", "c.aws.com", Some(5440), None),
        ("HOST=c.aws.com/music", "c.aws.com", None, Some("music")),
        ("HOST=c.aws.com:/", "c.aws.com", None, None),
        (
            "HOST: c.aws.com:5440/music",
            "c.aws.com",
            Some(5440),
            Some("music"),
        ),
        ("HOST=c:1/d\nDB_PORT=1\nDB_NAME=d", "c", Some(1), Some("d")),
        ("HOST=fe80::1", "fe80::1", None, None),
    ] {
        let file = parse(&format!("[CLUSTER]\n{lines}\n")).unwrap();
        assert_eq!(text(&file.host), Some((host, 2)), "{lines}");
        assert_eq!(file.port.as_ref().map(|port| port.value), port, "{lines}");
        assert_eq!(
            text(&file.database).map(|(name, _)| name),
            database,
            "{lines}"
        );
    }
}

#[test]
fn password_may_contain_any_character() {
    for (line, expected) in [
        ("DB_PASSWORD=a#b;c%d=e:f", "a#b;c%d=e:f"),
        ("DB_PASSWORD='a #b ;c'", "a #b ;c"),
        ("DB_PASSWORD=a%%b", "a%b"),
        ("DB_PASSWORD=100%", "100%"),
        ("DB_PASSWORD=%%%%", "%%"),
        ("DB_PASSWORD = #begin", "#begin"),
        ("DB_PASSWORD: a=b", "a=b"),
        ("DB_PASSWORD='it's'", "it's"),
        ("DB_PASSWORD='", "'"),
        ("DB_PASSWORD=\"a'", "\"a'"),
        ("DB_PASSWORD=' a '", " a "),
        ("DB_PASSWORD=%%(x)s", "%(x)s"),
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
        (file.port.is_some(), file.iam_role, file.song_data),
        (false, None, None)
    );
}

#[test]
fn error_names_file_and_line_but_hides_value() {
    for (text, words) in [
        (
            "[CLUSTER]\nDB_PORT=planted\n",
            "line 2: DB_PORT in [CLUSTER] is not a number",
        ),
        (
            "[CLUSTER]\nDB_PORT=0\n",
            "line 2: DB_PORT in [CLUSTER] is not a number",
        ),
        ("[CLUSTER]\nplanted\n", "line 2: the line has no ="),
        ("[S3]\n\nplanted\n", "line 3: the line has no ="),
        ("[AWS]\nplanted\n", "line 2: the line has no ="),
        ("[CLUSTER]\n=planted\n", "line 2: there is no key before ="),
        ("\n[planted\n", "line 2: missing ] after ["),
        (
            "[CLUSTER] planted\n",
            "line 1: unexpected text after the section",
        ),
        (
            "planted",
            "line 1: there is no section such as [CLUSTER] before the line",
        ),
        ("HOST=planted\n[CLUSTER]\n", "line 1: there is no section"),
        (
            "[CLUSTR]\nHOST=planted\n",
            "line 1: unknown section; did you mean [CLUSTER]?",
        ),
        (
            "[planted]\nHOST=x\n",
            "line 1: unknown section; expected [CLUSTER], [IAM_ROLE] or [S3]",
        ),
        ("[DEFAULT]\nHOST=planted\n", "line 1: unknown section"),
        (
            "[CLUSTER]\nHOSTT=planted\n",
            "line 2: unknown key; did you mean HOST?",
        ),
        (
            "[CLUSTER]\nplanted=x\n",
            "line 2: unknown key; [CLUSTER] has HOST, DB_NAME",
        ),
        (
            "[S3]\nHOST=planted\n",
            "line 2: unknown key; [S3] has LOG_DATA",
        ),
        (
            "[CLUSTER]\nHOST=planted ; ours\n",
            "line 2: there is a comment after the value",
        ),
        (
            "[CLUSTER]\nHOST=planted #ours\n",
            "line 2: there is a comment after the value",
        ),
        (
            "[CLUSTER]\nHOST='planted' # ours\n",
            "line 2: there is a comment after the value",
        ),
        (
            "[CLUSTER]\nHOST= # planted\n",
            "line 2: there is a comment after the value",
        ),
        (
            "[CLUSTER]\nDB_PASSWORD=planted # ours\n",
            "line 2: there is a comment after the value",
        ),
        (
            "[CLUSTER]\nHOST=planted\n  more\n",
            "line 3: the line continues the value of the line before",
        ),
        (
            "[CLUSTER]\nHOST=planted\n\nHOST=x\n",
            "line 4: the key is in line 2 already",
        ),
        (
            "[CLUSTER]\nHOST=a\n[S3]\n[CLUSTER]\nhost=planted\n",
            "line 4: the section begins in line 1 already",
        ),
        (
            "[CLUSTER]\nHOST='planted' # the 'main'\n",
            "line 2: there is a comment after the value",
        ),
        (
            "[CLUSTER]\nHOST=plan\0ted\n",
            "line 2: the line has a control character",
        ),
        (
            "[CLUSTER]\nDB_PASSWORD=%(planted)s\n",
            "line 2: %(NAME)s is not supported",
        ),
        (
            "[CLUSTER]\nHOST=user:planted@h\n",
            "line 2: HOST is not the name of a host",
        ),
        (
            "[CLUSTER]\nHOST=redshift://planted\n",
            "line 2: HOST is not the name of a host",
        ),
        (
            "[CLUSTER]\nHOST=h:planted\n",
            "line 2: the port in HOST is not a number",
        ),
        (
            "[CLUSTER]\nDB_PORT=1\nHOST=planted:2\n",
            "line 3: HOST and DB_PORT in line 2 have different ports",
        ),
        (
            "[CLUSTER]\nHOST=h/planted\nDB_NAME=d\n",
            "line 2: HOST and DB_NAME in line 3 have different databases",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        let error = error.to_string();
        assert!(error.starts_with("cannot parse dwh.cfg: "), "{error}");
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("planted"), "{error}");
    }
}

/// The text is what `configparser` of Python 3.11 writes for this password.
#[test]
fn file_that_python_writes_is_read_back() {
    let file = parse("[CLUSTER]\nhost = h\ndb_password = 50%%a%%%%b;#=:c\n\n").unwrap();
    assert_eq!(text(&file.host), Some(("h", 2)));
    assert_eq!(file.password.unwrap().value.expose_secret(), "50%a%%b;#=:c");
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
