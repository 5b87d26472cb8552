//! The sockets of a mode: those that systemd hands over, or those of its configuration.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::Error as _;
use tokio::net::{TcpListener, UnixListener};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        text.parse()
            .map(Self::Tcp)
            .map_err(|_| format!("`{text}` is not an address such as `127.0.0.1:5001` or `unix:/run/agent.sock`"))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Sockets that are open.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Vec<UnixListener>,
}

impl Listeners {
    /// Takes the sockets that systemd opened (`LISTEN_FDS`); without any, opens those that are configured.
    ///
    /// Errors: a socket of another kind was handed over, or one cannot be opened; with its address.
    pub fn open(configured: &[Address]) -> Result<Self, (String, std::io::Error)> {
        let inherited = Self::inherited().map_err(|error| ("the sockets of systemd".to_owned(), error))?;
        if !inherited.is_empty() {
            return Ok(inherited);
        }
        let mut listeners = Self::default();
        for address in configured {
            listeners.bind(address).map_err(|error| (address.to_string(), error))?;
        }
        Ok(listeners)
    }

    /// A listener on an address of its own.
    ///
    /// Errors: the address is taken, or not one of this machine.
    pub fn bind(&mut self, address: &Address) -> std::io::Result<()> {
        match address {
            Address::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                self.tcp.push(TcpListener::from_std(listener)?);
            }
            Address::Unix(path) => {
                // What an earlier process left behind; a socket that is listened on is not there to be taken.
                if std::os::unix::net::UnixStream::connect(path).is_err() {
                    let _ = std::fs::remove_file(path);
                }
                let listener = StdUnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                self.unix.push(UnixListener::from_std(listener)?);
            }
        }
        Ok(())
    }

    fn inherited() -> std::io::Result<Self> {
        let mut handed = listenfd::ListenFd::from_env();
        let mut listeners = Self::default();
        for index in 0..handed.len() {
            // The wrong kind of socket is put back, and is then the other kind.
            if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
                listener.set_nonblocking(true)?;
                listeners.tcp.push(TcpListener::from_std(listener)?);
            } else if let Some(listener) = handed.take_unix_listener(index)? {
                listener.set_nonblocking(true)?;
                listeners.unix.push(UnixListener::from_std(listener)?);
            }
        }
        Ok(listeners)
    }

    /// Whether there is nothing to listen on.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_empty()
    }

    /// The addresses of the TCP sockets.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_numbers_or_paths() {
        for text in ["127.0.0.1:5001", "[::1]:5001", "unix:/run/agent.sock"] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        for text in [
            "",
            "5001",
            "localhost:5001",
            "127.0.0.1",
            "/run/agent.sock",
            "127.0.0.1:99999",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
