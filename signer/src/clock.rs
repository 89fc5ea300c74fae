//! The estimate of the server's clock.
//!
//! Signatures carry the server's time, because a device's clock may be hours off. The offset comes only from responses
//! of the sign origin: an attacker's script in the page that could shift it would collect signatures for later use.

use std::cell::Cell;

use protocol::sign_origin::Time;

use crate::{
    http::{self, Exchange, HttpError},
    moment::Moment,
};

/// How old an offset may be, in ms. Clocks drift apart by well under a second in this time.
const FRESH: f64 = 600_000.0;

/// The largest difference between the advance of the wall clock and of the monotonic clock, in ms. A larger one means
/// that the wall clock was set or the device slept.
const DRIFT: f64 = 1000.0;

/// The device's clock: Unix ms.
pub(crate) fn now() -> u64 {
    server_time(js_sys::Date::now(), 0.0)
}

/// The longest round trip of a response that sets the offset, in ms. The offset may be wrong by half of it, so script
/// in the page that delays requests could shift signatures by that much.
const MAX_ROUND_TRIP: f64 = 10_000.0;

/// The clock offset measured in one request.
#[derive(Clone, Copy)]
struct Offset {
    /// The server's clock minus the device's wall clock, in ms.
    ms: f64,
    /// When the response arrived.
    measured: Moment,
}

impl Offset {
    /// Measures the offset, assuming that the server read its clock half a round trip before its response arrived.
    /// `None` when the round trip was too long.
    fn measure(server: f64, sent: Moment, received: Moment) -> Option<Self> {
        let round_trip = received.steady - sent.steady;
        let offset = Self { ms: server + round_trip / 2.0 - received.wall, measured: received };
        (round_trip <= MAX_ROUND_TRIP).then_some(offset)
    }

    fn is_valid(&self, now: Moment) -> bool {
        let age = now.steady - self.measured.steady;
        age <= FRESH && (now.wall - self.measured.wall - age).abs() <= DRIFT
    }
}

/// The offset to the server's clock, once it has been measured.
#[derive(Default)]
pub(crate) struct Clock(Cell<Option<Offset>>);

impl Clock {
    /// Sets the offset from a response of the sign origin with the server's time, unless the response was slow.
    pub(crate) fn update(&self, server_now: u64, exchange: &Exchange) {
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        let server_now = server_now as f64;
        if let Some(offset) = Offset::measure(server_now, exchange.sent, exchange.received) {
            self.0.set(Some(offset));
        }
    }

    /// The server's clock minus the device's, in ms. Requests the time when the offset may no longer be valid, or when
    /// `is_refresh`.
    pub(crate) async fn offset(&self, is_refresh: bool) -> Result<f64, HttpError> {
        let held = self.0.get().filter(|offset| !is_refresh && offset.is_valid(Moment::now()));
        if let Some(offset) = held {
            return Ok(offset.ms);
        }
        // Without the server's time nothing can be signed, whatever the reason.
        let exchange = http::get("/time").await.map_err(|_| HttpError::Unreachable)?;
        self.update(exchange.read::<Time>()?.now, &exchange);
        // A slow response does not set the offset, and the previous one may be invalid.
        let measured = self.0.get().filter(|offset| offset.is_valid(Moment::now()));
        measured.map(|offset| offset.ms).ok_or(HttpError::Unreachable)
    }

    /// The server's time: Unix ms.
    pub(crate) async fn server_now(&self) -> Result<u64, HttpError> {
        Ok(server_time(js_sys::Date::now(), self.offset(false).await?))
    }
}

/// Converts the device's time to the server's: Unix ms.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time before 1970 becomes 1970")]
pub(crate) fn server_time(device: f64, offset: f64) -> u64 {
    (device + offset) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3_600_000.0;

    fn moment(wall: f64, steady: f64) -> Moment {
        Moment { wall, steady }
    }

    fn three_hours_slow() -> Offset {
        let offset =
            Offset::measure(10.0 * HOUR + 50.0, moment(7.0 * HOUR, 1000.0), moment(7.0 * HOUR + 100.0, 1100.0));
        offset.expect("a quick reply")
    }

    #[test]
    fn slow_response_sets_no_offset() {
        let received = |steady| Offset::measure(0.0, moment(0.0, 0.0), moment(0.0, steady));
        assert!(received(MAX_ROUND_TRIP).is_some());
        assert!(received(MAX_ROUND_TRIP + 1.0).is_none());
    }

    #[test]
    fn half_the_round_trip_is_subtracted() {
        let offset = three_hours_slow();
        assert_eq!(server_time(7.0 * HOUR + 100.0, offset.ms), 36_000_100);
        assert_eq!(server_time(-4.0 * HOUR, offset.ms), 0);
    }

    #[test]
    fn wall_clock_set_during_request_does_not_matter() {
        let offset = Offset::measure(500.0, moment(9.0 * HOUR, 0.0), moment(100.0, 100.0)).expect("a quick reply");
        assert_eq!(server_time(100.0, offset.ms), 550);
    }

    #[test]
    fn offset_is_valid_while_fresh_and_clocks_agree() {
        let offset = three_hours_slow();
        let after = |wall: f64, steady: f64| offset.is_valid(moment(7.0 * HOUR + 100.0 + wall, 1100.0 + steady));
        assert!(after(0.0, 0.0));
        assert!(after(500_999.0, 500_000.0));
        assert!(!after(501_001.0, 500_000.0), "set forwards, or slept");
        assert!(!after(-HOUR, 1000.0), "set back");
        assert!(!after(FRESH + 1.0, FRESH + 1.0), "old");
    }
}
