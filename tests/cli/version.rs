//! `--version`, and the build script that records the commit.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use testkit::cli::command::with_clean_env;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;

#[test]
fn short_version_is_one_line() {
    let output = Sandbox::new().exec(&["-V"]).assert_success();
    let expected = concat!("sparkify ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(output.stdout, expected);
}

#[test]
fn long_version_describes_the_build_and_the_machine() {
    let output = Sandbox::new().exec(&["--version"]).assert_success();
    let mut lines = output.stdout.lines();
    let expected = concat!("sparkify ", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines.next(), Some(expected));
    let facts: Vec<_> = lines.map(|line| line.split_once(':').unwrap()).collect();
    let names = facts.iter().map(|(name, _)| *name);
    let expected = [
        "commit", "target", "profile", "features", "compiler", "decoder",
    ];
    assert!(names.eq(expected), "{facts:?}");
    let value = |name| facts.iter().find(|fact| fact.0 == name).unwrap().1.trim();
    assert!(value("target").starts_with(std::env::consts::ARCH));
    let features = if cfg!(feature = "cloud") {
        "cloud"
    } else {
        "none"
    };
    assert_eq!(value("features"), features);
    assert!(value("compiler").starts_with("rustc 1."));
    if cfg!(target_arch = "x86_64") {
        assert!(["AVX-512", "AVX2", "SSE2"].contains(&value("decoder")));
    }
}

/// A package with the build script, and the compiled build script.
struct Package {
    sandbox: Sandbox,
}

impl Package {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        sandbox.create_dir("package/src");
        sandbox.write("package/src/lib.rs", "");
        fs::copy(&source, sandbox.path("package/build.rs")).unwrap();
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "-o", "build-script"]);
        rustc.arg(source).current_dir(sandbox.root());
        CommandOutput::run(&mut rustc).assert_success();
        Self { sandbox }
    }

    /// Returns the build script, as Cargo runs it in a release build.
    fn build_script(&self) -> Command {
        let mut script = with_clean_env(Command::new(self.sandbox.path("build-script")));
        script
            .current_dir(self.sandbox.path("package"))
            .env("PROFILE", "release")
            .env("RUSTC", "rustc");
        script
    }

    /// Runs git, whose configuration on this machine makes no difference.
    fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(self.sandbox.path("package"));
        CommandOutput::run(&mut git).assert_success().stdout
    }

    /// Commits all files, and returns the commit.
    fn commit(&self) -> String {
        self.git(&["init", "--quiet"]);
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", "All files"]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }
}

/// Returns the commit that a build script records, and the files that make Cargo run it again.
fn recorded(script: &mut Command) -> (String, Vec<String>) {
    let output = CommandOutput::run(script).assert_success().stdout;
    let with_prefix = |prefix: &'static str| {
        let values = output.lines().filter_map(move |l| l.strip_prefix(prefix));
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    let commits = with_prefix("cargo::rustc-env=SPARKIFY_BUILD_COMMIT=");
    let [commit] = &commits[..] else {
        panic!("{output}");
    };
    (commit.clone(), with_prefix("cargo::rerun-if-changed="))
}

#[test]
fn commit_and_changes_of_the_sources_are_recorded() {
    let package = Package::new();
    let commit = package.commit();
    let (clean, watched) = recorded(&mut package.build_script());
    assert_eq!(clean, commit);
    // Cargo would run the script for each build if a file were absent.
    for path in &watched {
        assert!(
            package.sandbox.path("package").join(path).exists(),
            "{path}"
        );
    }
    assert!(watched.contains(&".git/logs/HEAD".to_owned()));
    assert!(watched.contains(&"src".to_owned()));

    package.sandbox.write("package/notes.md", "No source");
    assert_eq!(recorded(&mut package.build_script()).0, commit);
    package.sandbox.write("package/src/lib.rs", "// Changed");
    let dirty = format!("{commit}-dirty");
    assert_eq!(recorded(&mut package.build_script()).0, dirty);
}

#[test]
fn commit_of_a_work_tree_is_recorded() {
    let package = Package::new();
    let commit = package.commit();
    package.git(&["worktree", "add", "--quiet", "../tree"]);
    let mut script = package.build_script();
    let (found, watched) = recorded(script.current_dir(package.sandbox.path("tree")));
    assert_eq!(found, commit);
    assert!(
        watched
            .iter()
            .any(|path| path.ends_with("worktrees/tree/logs/HEAD"))
    );
}

#[test]
fn sources_without_a_repository_have_no_commit() {
    let package = Package::new();
    assert_eq!(recorded(&mut package.build_script()).0, "unknown");
    // A packager states the commit.
    for (given, expected) in [("1234abc\n", "1234abc"), (" ", "unknown")] {
        let mut script = package.build_script();
        let (commit, _) = recorded(script.env("SPARKIFY_COMMIT", given));
        assert_eq!(commit, expected);
    }
    // A machine may have no git.
    package.commit();
    let mut script = package.build_script();
    assert_eq!(recorded(script.env("PATH", "")).0, "unknown");
}

/// A repository around the package, such as one of a home folder, is not the one of the sources.
#[test]
fn commit_of_another_repository_is_not_recorded() {
    let package = Package::new();
    package.commit();
    package.sandbox.create_dir("package/vendor/src");
    let mut script = package.build_script();
    script.current_dir(package.sandbox.path("package/vendor"));
    assert_eq!(recorded(&mut script).0, "unknown");
    // cargo package records the commit in the package.
    for (dirty, end) in [("", ""), (", \"dirty\": true", "-dirty")] {
        let info = format!("{{\n  \"git\": {{\n    \"sha1\": \"12ab\"{dirty}\n  }}\n}}");
        let file = "package/vendor/.cargo_vcs_info.json";
        package.sandbox.write(file, &info);
        assert_eq!(recorded(&mut script).0, format!("12ab{end}"));
    }
}

#[test]
fn nothing_is_written_beside_the_sources() {
    let package = Package::new();
    let commit = package.commit();
    let path = package.sandbox.path("package/.git/index");
    let index = fs::read(&path).unwrap();
    // An index whose times are stale would be written by git status.
    let touched = fs::File::open(package.sandbox.path("package/src/lib.rs")).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(recorded(&mut package.build_script()).0, commit);
    assert_eq!(fs::read(path).unwrap(), index);
}

#[test]
fn debug_build_does_not_depend_on_the_commit() {
    let package = Package::new();
    package.commit();
    let mut script = package.build_script();
    let (commit, watched) = recorded(script.env("PROFILE", "debug"));
    assert_eq!(commit, "not recorded in a debug build");
    assert_eq!(watched, ["build.rs"]);
}
