//! Posts JSON documents to servers whose URLs may be secrets.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::aws::{AwsRuntime, connector_to};
use crate::interrupt;

/// The longest time for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest time for a document after a signal, which ends the process within a second.
const TIMEOUT_AFTER_SIGNAL: Duration = Duration::from_millis(300);

/// Where documents are posted. It is displayed as scheme, host and port, because the path of a webhook is a secret.
#[derive(Debug)]
pub(crate) struct HttpTarget {
    url: SecretString,
    origin: String,
    bearer_token: Option<SecretString>,
}

/// Why a document was not accepted, without the URL.
#[derive(Debug)]
pub(super) struct PostFailure {
    /// The reason.
    pub reason: String,
    /// The HTTP status, if the server answered.
    pub status: Option<u16>,
}

impl HttpTarget {
    /// Parses a URL.
    ///
    /// # Errors
    /// Returns a reason, which does not repeat the URL, if it is not one of HTTP or contains a user or a password.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let url = Url::parse(url.trim()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut url) = url else {
            return Err("expected a URL that begins with https:// or http://");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user or a password in the URL is not supported");
        }
        url.set_fragment(None);
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            url: String::from(url).into(),
            bearer_token: None,
        })
    }

    /// Returns the target with a path, if its URL has none.
    #[must_use]
    pub(crate) fn with_default_path(mut self, path: &str) -> Self {
        let url = self.url.expose_secret();
        if url.strip_prefix(&self.origin) == Some("/") {
            self.url = format!("{}{path}", self.origin).into();
        }
        self
    }

    /// Returns the target with a token that is sent as `Authorization: Bearer`.
    ///
    /// # Errors
    /// Returns a reason if no header can contain the token.
    pub(crate) fn with_bearer_token(mut self, token: SecretString) -> Result<Self, &'static str> {
        let is_header_byte = |byte: u8| byte.is_ascii_graphic();
        if !token.expose_secret().bytes().all(is_header_byte) {
            return Err("expected a token of visible ASCII characters");
        }
        self.bearer_token = Some(token);
        Ok(self)
    }

    /// Posts a document, once, within a time.
    ///
    /// # Errors
    /// Returns the failure if there is no connection, no answer in time, or another answer than 2xx. Redirects are not
    /// followed: they could send a secret elsewhere.
    pub(super) fn post_json(&self, body: &str, within: Duration) -> Result<(), PostFailure> {
        let within = match interrupt::is_stopping() {
            true => within.min(TIMEOUT_AFTER_SIGNAL),
            false => within,
        };
        let failure = |reason: String| PostFailure {
            reason,
            status: None,
        };
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(within))
            .build();
        let connector = connector_to(self.url.expose_secret(), settings);
        let connector = connector.map_err(|error| failure(error.to_string()))?;
        let request = self
            .request(body)
            .ok_or_else(|| failure("the URL is not valid for HTTP".to_owned()))?;
        let runtime = AwsRuntime::start("monitoring").map_err(|e| failure(e.to_string()))?;
        let response = runtime.block_on(async {
            tokio::select! {
                response = tokio::time::timeout(within, connector.call(request)) => Some(response),
                () = interrupt::stop_began() => None,
            }
        });
        match response {
            None => Err(failure("a signal stops this process".to_owned())),
            Some(Err(_)) => Err(failure(format!(
                "no answer within {} s",
                within.as_secs_f32()
            ))),
            Some(Ok(Err(error))) if error.is_timeout() => Err(failure(format!(
                "no connection within {} s",
                CONNECT_TIMEOUT.min(within).as_secs_f32()
            ))),
            Some(Ok(Err(error))) => Err(failure(innermost_reason(&error))),
            Some(Ok(Ok(response))) => match response.status().as_u16() {
                200..=299 => Ok(()),
                status => Err(PostFailure {
                    reason: format!("HTTP status {status}"),
                    status: Some(status),
                }),
            },
        }
    }

    fn request(&self, body: &str) -> Option<HttpRequest> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").ok()?;
        request.set_uri(self.url.expose_secret()).ok()?;
        let length = body.len().to_string();
        let headers = request.headers_mut();
        headers.insert("content-type", "application/json");
        headers.insert("content-length", length);
        headers.insert(
            "user-agent",
            concat!("sparkify/", env!("CARGO_PKG_VERSION")),
        );
        if let Some(token) = &self.bearer_token {
            headers.insert("authorization", format!("Bearer {}", token.expose_secret()));
        }
        Some(request)
    }
}

impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// Returns the text of the innermost cause, which alone says what happened and never contains the URL.
fn innermost_reason(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_displayed_without_their_secrets() {
        for (url, shown) in [
            (
                "https://hooks.example/services/T0/B0/secret",
                "https://hooks.example",
            ),
            ("http://h:8080/hook?token=secret#x", "http://h:8080"),
            (" HTTPS://[::1]:443/secret ", "https://[::1]"),
        ] {
            let target = HttpTarget::parse(url).unwrap();
            assert_eq!(target.to_string(), shown);
            assert!(!format!("{target:?}").contains("secret"));
        }
    }

    #[test]
    fn other_urls_are_refused_without_repeating_them() {
        for url in [
            "",
            "hooks.example/secret",
            "ftp://h/secret",
            "https://",
            "https://secret@h/x",
            "https://user:secret@h/x",
        ] {
            let reason = HttpTarget::parse(url).unwrap_err();
            assert!(!reason.contains("secret"), "{url}: {reason}");
        }
    }

    #[test]
    fn only_a_url_without_a_path_gets_the_default_path() {
        for (url, expected) in [
            ("http://marquez:5000", "http://marquez:5000/api/v1/lineage"),
            ("http://marquez:5000/", "http://marquez:5000/api/v1/lineage"),
            ("http://marquez:5000/lineage", "http://marquez:5000/lineage"),
            ("http://marquez:5000/?key=1", "http://marquez:5000/?key=1"),
        ] {
            let target = HttpTarget::parse(url).unwrap();
            let target = target.with_default_path("/api/v1/lineage");
            assert_eq!(target.url.expose_secret(), expected);
        }
    }

    #[test]
    fn tokens_that_would_end_the_header_are_refused() {
        for (token, is_valid) in [("abc.DEF-1_2", true), ("a\r\nb", false), ("ä", false)] {
            let target = HttpTarget::parse("http://h").unwrap();
            let target = target.with_bearer_token(token.into());
            assert_eq!(target.is_ok(), is_valid, "{token:?}");
        }
    }
}
