//! Takes the data out of an event stream (WHATWG HTML §9.2.6), from bytes that come in any portions.

/// The longest event, in bytes: a frame, and what stands around it.
const LONGEST: usize = protocol::push::MAX_FRAME * 2;

/// What came so far of the next event.
#[derive(Default)]
pub struct Events {
    /// The line that is not over yet.
    line: Vec<u8>,
    /// The event's data so far.
    data: Option<String>,
}

/// This is no event stream, or one of somebody who wants our memory.
#[derive(PartialEq, Eq, Debug)]
pub struct NotAnEventStream;

impl Events {
    /// Takes some bytes. Gives the data of the events that they complete.
    ///
    /// # Errors
    /// [`NotAnEventStream`] for what is not UTF-8 or too long.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, NotAnEventStream> {
        let mut complete = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > LONGEST {
                    return Err(NotAnEventStream);
                }
                continue;
            }
            let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| NotAnEventStream)?;
            complete.extend(self.end_of_line(line.strip_suffix('\r').unwrap_or(&line))?);
        }
        Ok(complete)
    }

    /// A line is over. Comments and fields other than `data` say nothing here.
    fn end_of_line(&mut self, line: &str) -> Result<Option<String>, NotAnEventStream> {
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let Some(data) = line.strip_prefix("data:") else { return Ok(None) };
        let data = data.strip_prefix(' ').unwrap_or(data);
        let whole = match self.data.take() {
            Some(before) => format!("{before}\n{data}"),
            None => data.to_owned(),
        };
        if whole.len() > LONGEST {
            return Err(NotAnEventStream);
        }
        self.data = Some(whole);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(portions: &[&[u8]]) -> Result<Vec<String>, NotAnEventStream> {
        let mut events = Events::default();
        let taken = portions.iter().map(|portion| events.take(portion)).collect::<Result<Vec<_>, _>>()?;
        Ok(taken.concat())
    }

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text =
            "data: {\"a\":\"ü\"}\n\n: still there\n\ndata:two\r\n\r\nid: 7\ndata: three\ndata: lines\n\ndata: not yet"
                .as_bytes();
        let expected = || ["{\"a\":\"ü\"}", "two", "three\nlines"].map(str::to_owned).to_vec();
        assert_eq!(all(&[text]), Ok(expected()));
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(all(&[head, tail]), Ok(expected()), "{cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(all(&single), Ok(expected()));
    }

    #[test]
    fn what_never_ends_or_is_no_text_is_refused() {
        assert_eq!(all(&[&[b'x'; LONGEST], b"x"]), Err(NotAnEventStream));
        assert_eq!(all(&[b"data: \xff\n\n"]), Err(NotAnEventStream));
        let line = [b"data: ".as_slice(), &[b'x'; LONGEST / 2], b"\n"].concat();
        assert_eq!(all(&[&line, &line, &line]), Err(NotAnEventStream));
    }
}
