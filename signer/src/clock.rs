//! The server's clock, as this device can tell it.
//!
//! Signatures carry the server's time, because a device's clock may be hours off. The offset is learned from replies of
//! the sign origin and from nowhere else: a page under attack that could move it would hoard signatures for later.

use std::cell::Cell;

use protocol::sign_origin::Time;

use crate::{
    http::{self, Exchange, HttpError},
    moment::Moment,
};

/// How old an offset may be, in ms. Clocks drift apart by well under a second in this time.
const FRESH: f64 = 600_000.0;

/// By how much the wall clock may leave the steady one, in ms, before it must have been set, or the device slept.
const DRIFT: f64 = 1000.0;

/// The device's clock: Unix ms.
pub(crate) fn now() -> u64 {
    server_time(js_sys::Date::now(), 0.0)
}

/// The longest round trip that is learned from, in ms. The offset may be wrong by half of it, and script in the page that
/// delays requests could make the frame sign for that much later.
const MAX_ROUND_TRIP: f64 = 10_000.0;

/// What was learned from one exchange.
#[derive(Clone, Copy)]
struct Offset {
    /// Server's time minus the device's wall clock, in ms.
    ms: f64,
    /// When the reply came.
    learned: Moment,
}

impl Offset {
    /// The server read its clock half a round trip before its reply came, as near as can be known.
    fn learn(server: f64, sent: Moment, received: Moment) -> Option<Self> {
        let round_trip = received.steady - sent.steady;
        let offset = Self { ms: server + round_trip / 2.0 - received.wall, learned: received };
        (round_trip <= MAX_ROUND_TRIP).then_some(offset)
    }

    fn holds(&self, now: Moment) -> bool {
        let age = now.steady - self.learned.steady;
        age <= FRESH && (now.wall - self.learned.wall - age).abs() <= DRIFT
    }
}

/// The offset to the server's clock, once it is known.
#[derive(Default)]
pub(crate) struct Clock(Cell<Option<Offset>>);

impl Clock {
    /// Learns from a reply of the sign origin that told the time, unless it was slow.
    pub(crate) fn learn(&self, server_now: u64, exchange: &Exchange) {
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        let server_now = server_now as f64;
        if let Some(offset) = Offset::learn(server_now, exchange.sent, exchange.received) {
            self.0.set(Some(offset));
        }
    }

    /// Server's time minus the device's, in ms; asks the server when what is known may no longer hold, or when `anew`.
    pub(crate) async fn offset(&self, anew: bool) -> Result<f64, HttpError> {
        let held = self.0.get().filter(|offset| !anew && offset.holds(Moment::now()));
        if let Some(offset) = held {
            return Ok(offset.ms);
        }
        // Whatever the server answers, without the time nothing can be signed.
        let exchange = http::get("/time").await.map_err(|_| HttpError::Unreachable)?;
        self.learn(exchange.read::<Time>()?.now, &exchange);
        // Nothing was learned from a slow reply; what was known before may not hold.
        let learned = self.0.get().filter(|offset| offset.holds(Moment::now()));
        learned.map(|offset| offset.ms).ok_or(HttpError::Unreachable)
    }

    /// The server's time: Unix ms.
    pub(crate) async fn server_now(&self) -> Result<u64, HttpError> {
        Ok(server_time(js_sys::Date::now(), self.offset(false).await?))
    }
}

/// A device's time in server time: Unix ms.
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
        let offset = Offset::learn(10.0 * HOUR + 50.0, moment(7.0 * HOUR, 1000.0), moment(7.0 * HOUR + 100.0, 1100.0));
        offset.expect("a quick reply")
    }

    #[test]
    fn slow_reply_is_not_learned_from() {
        let received = |steady| Offset::learn(0.0, moment(0.0, 0.0), moment(0.0, steady));
        assert!(received(MAX_ROUND_TRIP).is_some());
        assert!(received(MAX_ROUND_TRIP + 1.0).is_none());
    }

    #[test]
    fn half_the_round_trip_is_the_way_back() {
        let offset = three_hours_slow();
        assert_eq!(server_time(7.0 * HOUR + 100.0, offset.ms), 36_000_100);
        assert_eq!(server_time(-4.0 * HOUR, offset.ms), 0);
    }

    #[test]
    fn a_wall_clock_set_during_the_round_trip_does_not_spoil_the_offset() {
        let offset = Offset::learn(500.0, moment(9.0 * HOUR, 0.0), moment(100.0, 100.0)).expect("a quick reply");
        assert_eq!(server_time(100.0, offset.ms), 550);
    }

    #[test]
    fn an_offset_holds_while_both_clocks_agree_and_it_is_fresh() {
        let offset = three_hours_slow();
        let after = |wall: f64, steady: f64| offset.holds(moment(7.0 * HOUR + 100.0 + wall, 1100.0 + steady));
        assert!(after(0.0, 0.0));
        assert!(after(500_999.0, 500_000.0));
        assert!(!after(501_001.0, 500_000.0), "set forwards, or slept");
        assert!(!after(-HOUR, 1000.0), "set back");
        assert!(!after(FRESH + 1.0, FRESH + 1.0), "old");
    }
}
