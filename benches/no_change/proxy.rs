//! A TCP proxy that makes a host as far away as is wanted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A port of this machine that leads to another address, more slowly. Ends with the program.
pub(crate) struct Proxy {
    port: u16,
}

impl Proxy {
    /// `delay` is added to each round trip, half of it each way.
    pub(crate) fn to(address: &str, port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let target = (address.to_owned(), port);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect((target.0.as_str(), target.1)).unwrap();
                carry(near.try_clone().unwrap(), far.try_clone().unwrap(), delay / 2);
                carry(far, near, delay / 2);
            }
        });
        Self { port: own }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Carries bytes from one side to the other, each `delay` after it came; as many as come are under way at once.
fn carry(mut from: TcpStream, to: TcpStream, delay: Duration) {
    from.set_nodelay(true).unwrap();
    to.set_nodelay(true).unwrap();
    let (under_way, arrivals): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count) = from.read(&mut buffer)
            && count > 0
        {
            if under_way
                .send((Instant::now() + delay, buffer[..count].to_vec()))
                .is_err()
            {
                break;
            }
        }
    });
    thread::spawn(move || deliver(&arrivals, to));
}

fn deliver(arrivals: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (due, bytes) in arrivals {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
