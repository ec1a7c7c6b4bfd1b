//! Records what `sparkify --version` prints about the build: the commit, the target, the profile, the features and the
//! compiler.

use std::env;
use std::path::Path;
use std::process::Command;

/// What decides the content of the binary. Changes of other files do not make a build `-dirty`.
const SOURCES: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "build.rs",
    "infra/warehouse.yaml",
    "rust-toolchain.toml",
    "sql/analytics",
    "sql/operations",
    "src",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SPARKIFY_COMMIT");
    let profile = variable("PROFILE");
    let commit = given_commit().unwrap_or_else(|| match profile.as_str() {
        // Otherwise each commit would compile the library and link all tests again.
        "debug" => "not recorded in a debug build".to_owned(),
        _ => recorded_commit().unwrap_or_else(|| "unknown".to_owned()),
    });
    let features = Some(variable("CARGO_CFG_FEATURE")).filter(|names| !names.is_empty());
    let rustc = output_line(Command::new(variable("RUSTC")).arg("--version"));
    for (name, value) in [
        ("COMMIT", commit),
        ("TARGET", variable("TARGET")),
        ("PROFILE", profile),
        ("FEATURES", features.unwrap_or_else(|| "none".to_owned())),
        ("RUSTC", rustc.unwrap_or_else(|| "unknown".to_owned())),
    ] {
        println!("cargo::rustc-env=SPARKIFY_BUILD_{name}={value}");
    }
}

/// Returns an environment variable that Cargo sets, or an empty text.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Returns the commit that a packager states, who builds from sources without a repository.
fn given_commit() -> Option<String> {
    let given = env::var("SPARKIFY_COMMIT").ok()?;
    let commit = given.lines().next()?.trim();
    (!commit.is_empty()).then(|| commit.to_owned())
}

/// Returns the commit of the repository, or the one that `cargo package` wrote into the package.
fn recorded_commit() -> Option<String> {
    let packaged = Path::new(".cargo_vcs_info.json");
    match packaged.exists() {
        true => packaged_commit(packaged),
        false => checked_out_commit(),
    }
}

/// Returns the commit in the file that `cargo package` writes.
fn packaged_commit(path: &Path) -> Option<String> {
    println!("cargo::rerun-if-changed={}", path.display());
    let info = std::fs::read_to_string(path).ok()?;
    let (_, sha1) = info.split_once("\"sha1\"")?;
    let commit = sha1.split('"').nth(1)?;
    let is_dirty = info.contains("\"dirty\": true");
    Some(with_state(commit, is_dirty))
}

/// Returns the commit that is checked out, if this folder is the root of a repository. A package that was unpacked
/// in the repository of something else is not.
fn checked_out_commit() -> Option<String> {
    if !output_line(git().args(["rev-parse", "--show-prefix"]))?.is_empty() {
        return None;
    }
    // The log of HEAD changes with each commit and checkout, and with nothing else. Cargo runs this script each time if a
    // file does not exist.
    for path in ["logs/HEAD", "HEAD"] {
        let path = output_line(git().args(["rev-parse", "--git-path", path]))?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let sources = SOURCES.iter().filter(|path| Path::new(path).exists());
    sources.for_each(|path| println!("cargo::rerun-if-changed={path}"));
    let commit = output_line(git().args(["rev-parse", "HEAD"]))?;
    let changes = git()
        .args(["status", "--porcelain", "--"])
        .args(SOURCES)
        .output();
    let is_dirty = changes.is_ok_and(|changes| !changes.stdout.is_empty());
    Some(with_state(&commit, is_dirty))
}

fn with_state(commit: &str, is_dirty: bool) -> String {
    format!("{commit}{}", if is_dirty { "-dirty" } else { "" })
}

/// Returns git, which writes nothing: the sources may be read-only.
fn git() -> Command {
    let mut git = Command::new("git");
    git.arg("--no-optional-locks");
    git
}

/// Returns the first line that a command prints, or `None` if the command fails.
fn output_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().unwrap_or_default();
    output.status.success().then(|| line.trim().to_owned())
}
