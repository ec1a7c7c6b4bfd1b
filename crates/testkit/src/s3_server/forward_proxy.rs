//! An HTTP proxy in front of a server, which takes the place of all hosts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};

/// The user and the password of a proxy that asks for them.
pub const PROXY_USER: &str = "etl@corp";

/// A unique password, so that outputs can be searched for it. It has a character that a URL must encode.
pub const PROXY_PASSWORD: &str = "ThisPasswordOfTheProxyMustNeverBeSeen/1";

/// An HTTP proxy. It connects each request to the server, whatever host the request names.
pub struct ForwardProxy {
    address: SocketAddr,
    log: Arc<Mutex<Vec<ProxiedConnection>>>,
    runtime: Option<Runtime>,
}

/// The first request of a connection to a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxiedConnection {
    /// `CONNECT` for a tunnel, otherwise the method of the request that is passed on.
    pub method: String,
    /// `HOST:PORT` of a tunnel, otherwise the URL.
    pub target: String,
}

/// What a proxy needs for each connection.
struct Connector {
    server: SocketAddr,
    requires_password: bool,
    log: Arc<Mutex<Vec<ProxiedConnection>>>,
}

impl ForwardProxy {
    /// Starts a proxy in front of a server.
    pub fn start(server: SocketAddr) -> Self {
        Self::start_with(server, false)
    }

    /// Starts a proxy that asks for [`PROXY_USER`] and [`PROXY_PASSWORD`].
    pub fn with_password(server: SocketAddr) -> Self {
        Self::start_with(server, true)
    }

    fn start_with(server: SocketAddr, requires_password: bool) -> Self {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::<Mutex<Vec<ProxiedConnection>>>::default();
        let connector = Arc::new(Connector {
            server,
            requires_password,
            log: log.clone(),
        });
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connector = connector.clone();
                // Connection errors are expected: clients close connections at any time.
                tokio::spawn(async move { connector.serve(stream).await.ok() });
            }
        });
        Self {
            address,
            log,
            runtime: Some(runtime),
        }
    }

    /// Returns the URL of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the URL with user and password.
    pub fn url_with_password(&self) -> String {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let (user, password) = (encode(PROXY_USER), encode(PROXY_PASSWORD));
        format!("http://{user}:{password}@{}", self.address)
    }

    /// Returns the first requests of all connections so far.
    pub fn connections(&self) -> Vec<ProxiedConnection> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

impl Connector {
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let head = read_head(&mut client).await?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let is_tunnel = method == "CONNECT";
        self.log
            .lock()
            .unwrap()
            .push(ProxiedConnection { method, target });
        if self.requires_password && !has_password(&text) {
            let response = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                Proxy-Authenticate: Basic realm=\"proxy\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return client.write_all(response.as_bytes()).await;
        }
        let mut server = TcpStream::connect(self.server).await?;
        if is_tunnel {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        } else {
            // The server accepts the absolute URL of the request too.
            server.write_all(&head).await?;
        }
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }
}

/// Reads the head of a request, and whatever follows it in the same packet.
async fn read_head(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn has_password(head: &str) -> bool {
    let expected = BASE64_STANDARD.encode(format!("{PROXY_USER}:{PROXY_PASSWORD}"));
    head.lines().any(|line| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value == format!("Basic {expected}")
        })
    })
}
