//! The arguments: what of them, of the environment and of a file counts, and which roles are roles.

use sparkify::warehouse::iam_role::IamRole;

#[test]
fn roles_are_default_or_arns() {
    let one = "arn:aws:iam::123456789012:role/reader";
    for (text, sql) in [
        ("default", "default".to_owned()),
        ("DEFAULT", "default".to_owned()),
        (one, format!("'{one}'")),
        (
            "arn:aws-cn:iam::123456789012:role/a/b+c=d,e.f@g-h_i",
            "'arn:aws-cn:iam::123456789012:role/a/b+c=d,e.f@g-h_i'".to_owned(),
        ),
        (
            "arn:aws:iam::123456789012:role/a,arn:aws-us-gov:iam::210987654321:role/b",
            "'arn:aws:iam::123456789012:role/a,arn:aws-us-gov:iam::210987654321:role/b'".to_owned(),
        ),
    ] {
        assert_eq!(text.parse::<IamRole>().unwrap().to_string(), sql);
    }
}

#[test]
fn nothing_else_is_a_role() {
    for text in [
        "",
        "reader",
        "aws_access_key_id=AKIA;aws_secret_access_key=planted",
        "arn:aws:iam::12345678901:role/a",
        "arn:aws:iam::1234567890123:role/a",
        "arn:aws:iam::12345678901x:role/a",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:user/a",
        "arn:aws:iam:us-east-1:123456789012:role/a",
        "arn:aws:s3::123456789012:role/a",
        "arn:gcp:iam::123456789012:role/a",
        "arn:aws:iam::123456789012:role/a' MAXERROR 5 --",
        "arn:aws:iam::123456789012:role/a\\",
        "arn:aws:iam::123456789012:role/a\n",
        "arn:aws:iam::123456789012:role/a b",
        "arn:aws:iam::123456789012:role/é",
        "arn:aws:iam::123456789012:role/a,arn:",
        "arn:aws:iam::123456789012:role/a;b",
        "default,arn:aws:iam::123456789012:role/a",
    ] {
        let why = text.parse::<IamRole>().unwrap_err();
        assert!(!why.contains("planted"), "{why}");
    }
}
