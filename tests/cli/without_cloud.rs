//! What a binary that was built without the feature `cloud` says.

use testkit::cli::sandbox::Sandbox;

#[test]
fn logins_of_aws_say_how_to_get_them() {
    let sandbox = Sandbox::new();
    let url = "redshift://music.abc123.us-west-2.redshift.amazonaws.com/dev";
    let arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:music";
    for (login, message) in [
        (
            &["--iam-login"][..],
            "cannot log in by IAM for cluster 'music'",
        ),
        (
            &["--password-secret", arn],
            "cannot log in by secret arn:aws:secretsmanager",
        ),
    ] {
        let arguments = [&["history", "--warehouse", url], login].concat();
        let words = [
            message,
            "built without the feature cloud",
            "cargo install --locked --path . --features cloud",
        ];
        sandbox.exec(&arguments).assert_failure(2, &words);
    }
    sandbox.write(
        "dwh.cfg",
        "[CLUSTER]\nHOST=music.abc123.us-west-2.redshift.amazonaws.com\nIAM_LOGIN=true\n",
    );
    let output = sandbox.exec(&["history", "--config", "dwh.cfg"]);
    output.assert_failure(2, &["cannot log in by IAM", "without the feature cloud"]);
}
