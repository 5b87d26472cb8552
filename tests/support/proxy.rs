//! A TCP proxy between homelab and a host's sshd, with a fault at a chosen byte or answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// The direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    ToHost,
    ToClient,
}

/// Bytes that arrived together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) way: Way,
    /// How many bytes went the same way before.
    pub(crate) from: u64,
    pub(crate) length: u64,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// As soon as this many bytes have gone this way.
    Byte(Way, u64),
    /// When the host has sent this many bursts, before the next one reaches homelab.
    Answer(usize),
}

/// What happens then.
pub(crate) enum Fault {
    /// Both ends see that the connection is closed.
    Close,
    /// Nothing passes any more, without a notice; both ends see the close after this time.
    Silence(Duration),
    /// It is called while nothing passes; then all goes on.
    Call(Box<dyn FnOnce() + Send>),
}

/// The proxy. It serves any number of connections, which count as one.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when something passes again.
    flows: Condvar,
    /// Kept open, so that neither end notices a loss.
    lost: Mutex<Vec<TcpStream>>,
}

#[derive(Default)]
struct State {
    fault: Option<(Place, Fault)>,
    has_happened: bool,
    is_held: bool,
    /// Rises with each loss: connections of before are lost.
    age: u32,
    passed: [u64; 2],
    bursts: Vec<Burst>,
    sockets: Vec<TcpStream>,
}

impl Proxy {
    /// A proxy to this address.
    pub(crate) fn to(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            flows: Condvar::new(),
            lost: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        // It ends with the process of the tests.
        thread::spawn(move || {
            for client in listener.incoming() {
                if let (Ok(client), Ok(host)) = (client, TcpStream::connect(host)) {
                    own.join(&client, &host);
                }
            }
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Counts from zero again, with this fault or none.
    pub(crate) fn begin(&self, fault: Option<(Place, Fault)>) {
        let mut state = self.shared.lock();
        *state = State {
            fault,
            age: state.age,
            ..State::default()
        };
        self.shared.flows.notify_all();
    }

    /// From now on nothing passes on the connections that are open, and neither end is ever told. New ones work.
    pub(crate) fn lose(&self) {
        let mut state = self.shared.lock();
        state.age += 1;
        self.shared.lost.lock().unwrap().append(&mut state.sockets);
    }

    /// Whether the fault has happened.
    pub(crate) fn has_happened(&self) -> bool {
        self.shared.lock().has_happened
    }

    /// What passed since it began to count.
    pub(crate) fn bursts(&self) -> Vec<Burst> {
        self.shared.lock().bursts.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn join(self: &Arc<Self>, client: &TcpStream, host: &TcpStream) {
        let mut state = self.lock();
        for socket in [client, host] {
            socket.set_nodelay(true).unwrap();
            state.sockets.push(socket.try_clone().unwrap());
        }
        for (way, from, to) in [(Way::ToHost, client, host), (Way::ToClient, host, client)] {
            let (own, age) = (Arc::clone(self), state.age);
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || own.pass_on(way, age, from, to));
        }
    }

    fn pass_on(&self, way: Way, age: u32, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = from.read(&mut buffer).unwrap_or_default();
            let mut state = self.flows.wait_while(self.lock(), |state| state.is_held).unwrap();
            if state.age != age {
                return;
            }
            if length == 0 {
                drop(state);
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            let before = state.fault_within(way, length as u64);
            let burst = Burst {
                way,
                from: state.passed[way as usize],
                length: length as u64,
            };
            state.passed[way as usize] += burst.length;
            state.bursts.push(burst);
            let Some(before) = before else {
                drop(state);
                if to.write_all(&buffer[..length]).is_err() {
                    return;
                }
                continue;
            };
            let before = usize::try_from(before).unwrap();
            let fault = state.fault.take().map(|(_, fault)| fault);
            state.has_happened = true;
            state.is_held = true;
            drop(state);
            let mut is_written = to.write_all(&buffer[..before]).is_ok();
            is_written &= self.inject(fault) && to.write_all(&buffer[before..length]).is_ok();
            if !is_written {
                return;
            }
        }
    }

    /// Returns whether the connection goes on.
    fn inject(&self, fault: Option<Fault>) -> bool {
        let goes_on = matches!(fault, Some(Fault::Call(_)));
        // Those of now: the next run may have begun when a silence ends.
        let sockets = if goes_on {
            Vec::new()
        } else {
            std::mem::take(&mut self.lock().sockets)
        };
        match fault {
            Some(Fault::Call(call)) => call(),
            Some(Fault::Silence(time)) => thread::sleep(time),
            Some(Fault::Close) | None => {}
        }
        for socket in sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let mut state = self.lock();
        state.is_held = false;
        self.flows.notify_all();
        goes_on
    }
}

impl State {
    /// If the fault falls into these bytes, how many of them come before it.
    fn fault_within(&self, way: Way, length: u64) -> Option<u64> {
        let passed = self.passed[way as usize];
        match self.fault.as_ref()?.0 {
            Place::Byte(of, at) => (of == way && passed < at && at <= passed + length).then(|| at - passed),
            Place::Answer(number) => {
                let answers = self.bursts.iter().filter(|burst| burst.way == Way::ToClient).count();
                (way == Way::ToClient && answers >= number).then_some(0)
            }
        }
    }
}
