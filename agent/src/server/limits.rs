//! How much a peer may send, and how often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::reply::Problem;

/// The longest body that is read.
pub(super) const BODY_BYTES: usize = 4096;
/// How long headers, a body and a TLS handshake may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How many peers are remembered.
const MOST_PEERS: usize = 1024;

/// Lets each peer do something so many times a minute: a bucket that fills again as time goes by.
#[derive(Debug)]
pub struct RateLimit {
    per_minute: f64,
    peers: Mutex<HashMap<String, (f64, Instant)>>,
}

impl RateLimit {
    /// So many times a minute, and that many at once.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: f64::from(per_minute),
            peers: Mutex::default(),
        }
    }

    /// Takes one; `false` if the peer has to wait.
    pub fn take(&self, peer: &str, now: Instant) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MOST_PEERS && !peers.contains_key(peer) {
            // A caller that was quiet for a minute has a full bucket, so nothing is lost. If none was, all wait.
            peers.retain(|_, (_, last)| now.saturating_duration_since(*last) < Duration::from_secs(60));
            if peers.len() >= MOST_PEERS {
                return false;
            }
        }
        let (left, last) = peers.entry(peer.to_owned()).or_insert((self.per_minute, now));
        let passed = now.saturating_duration_since(*last).as_secs_f64();
        *left = (*left + passed * self.per_minute / 60.0).min(self.per_minute);
        *last = now;
        let is_allowed = *left >= 1.0;
        if is_allowed {
            *left -= 1.0;
        }
        is_allowed
    }

    /// Whether the peer has one left, without taking it.
    pub fn has_left(&self, peer: &str, now: Instant) -> bool {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.get(peer).is_none_or(|(left, last)| {
            let passed = now.saturating_duration_since(*last).as_secs_f64();
            left + passed * self.per_minute / 60.0 >= 1.0
        })
    }
}

/// Lets each peer have so many connections at once, so that one cannot take them all.
#[derive(Debug)]
pub(super) struct Seats {
    each: usize,
    taken: Mutex<HashMap<String, usize>>,
}

impl Seats {
    pub(super) fn new(each: usize) -> Self {
        Self {
            each,
            taken: Mutex::default(),
        }
    }

    /// A seat until it is dropped; `None` if the peer has all that it may have.
    pub(super) fn take(self: &Arc<Self>, peer: String) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(peer.clone()).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        let seats = Arc::clone(self);
        Some(Seat { seats, peer })
    }
}

/// A connection of a peer.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    peer: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

/// The request with all of its body read.
pub(super) async fn with_body(request: Request<Body>) -> Result<Request<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let collected = tokio::time::timeout(PATIENCE, Limited::new(body, BODY_BYTES).collect()).await;
    let bytes: Bytes = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("The body is longer than {BODY_BYTES} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        Ok(Err(_)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "The body cannot be read")),
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "The body did not arrive in time",
            ));
        }
    };
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use std::sync::Arc;

    use super::{MOST_PEERS, RateLimit, Seats};

    #[test]
    fn a_bucket_fills_again() {
        let limit = RateLimit::new(3);
        let start = Instant::now();
        let taken: Vec<bool> = (0..5).map(|_| limit.take("a", start)).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert!(!limit.has_left("a", start));
        assert!(limit.take("b", start));
        let later = start + Duration::from_secs(20);
        assert!(limit.has_left("a", later));
        assert_eq!([limit.take("a", later), limit.take("a", later)], [true, false]);
    }

    #[test]
    fn a_peer_has_its_seats_and_no_more() {
        let seats = Arc::new(Seats::new(2));
        let of_a: Vec<_> = (0..3).map(|_| seats.take("a".to_owned())).collect();
        assert_eq!(of_a.iter().filter(|seat| seat.is_some()).count(), 2);
        assert!(seats.take("b".to_owned()).is_some());
        drop(of_a);
        assert!(seats.take("a".to_owned()).is_some());
        assert!(seats.taken.lock().expect("not poisoned").is_empty());
    }

    #[test]
    fn many_peers_take_no_room() {
        let limit = RateLimit::new(1);
        let start = Instant::now();
        for peer in 0..MOST_PEERS {
            assert!(limit.take(&peer.to_string(), start));
        }
        assert!(!limit.take("one more", start));
        assert!(limit.take("one more", start + Duration::from_secs(61)));
    }
}
