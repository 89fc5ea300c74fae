//! Parses an event stream (WHATWG HTML §9.2.6) from chunks of any size.

/// The longest event in bytes: a push message and its framing.
const MAX_EVENT: usize = protocol::push::MAX_MESSAGE * 2;

/// Parses an event stream. Keeps what has arrived of the next event.
#[derive(Default)]
pub(super) struct Parser {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// The event's data so far.
    data: Option<String>,
}

/// The bytes are not UTF-8, or an event is too long.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct NotAnEventStream;

impl Parser {
    /// Adds a chunk. Returns the data of the events that it completes.
    ///
    /// # Errors
    /// [`NotAnEventStream`] when the bytes are not UTF-8 or an event is too long.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, NotAnEventStream> {
        let mut complete = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > MAX_EVENT {
                    return Err(NotAnEventStream);
                }
                continue;
            }
            let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| NotAnEventStream)?;
            complete.extend(self.end_of_line(line.strip_suffix('\r').unwrap_or(&line))?);
        }
        Ok(complete)
    }

    /// Handles a complete line. Comments and fields other than `data` are ignored.
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
        if whole.len() > MAX_EVENT {
            return Err(NotAnEventStream);
        }
        self.data = Some(whole);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> Result<Vec<String>, NotAnEventStream> {
        let mut parser = Parser::default();
        let taken = chunks.iter().map(|chunk| parser.push(chunk)).collect::<Result<Vec<_>, _>>()?;
        Ok(taken.concat())
    }

    #[test]
    fn events_are_whole_however_the_bytes_are_cut() {
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
    fn endless_or_non_utf8_stream_is_an_error() {
        assert_eq!(all(&[&[b'x'; MAX_EVENT], b"x"]), Err(NotAnEventStream));
        assert_eq!(all(&[b"data: \xff\n\n"]), Err(NotAnEventStream));
        let line = [b"data: ".as_slice(), &[b'x'; MAX_EVENT / 2], b"\n"].concat();
        assert_eq!(all(&[&line, &line, &line]), Err(NotAnEventStream));
    }
}
