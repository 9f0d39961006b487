//! Logs: one line an event on standard error, readable or JSON, which no input can forge or colour: control characters
//! are escaped. Panics are logged like everything else. Trace ids connect a request's log lines with its answer.

use std::fmt;
use std::io::{self, Write};

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use crate::process::{LogFormat, ProcessConfig};

/// Logs could not be started.
#[derive(Debug)]
pub enum TelemetryError {
    /// The filter does not parse; the text says why.
    Filter(String),
    /// Somebody else is logging in this process already.
    Running,
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(why) => write!(f, "the log filter is wrong: {why}"),
            Self::Running => f.write_str("logs were started before"),
        }
    }
}

impl std::error::Error for TelemetryError {}

/// Starts the logs of the process and sends panics there.
///
/// # Errors
/// When the filter does not parse, or on a second call.
pub fn start_logs(config: &ProcessConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| TelemetryError::Filter(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // No colours: fields would bring a client's own escape sequences along.
        .with_ansi(false)
        .with_writer(Lines(io::stderr));
    match config.log_format {
        LogFormat::Pretty => builder.compact().try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    }
    .map_err(|_| TelemetryError::Running)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        let thread = std::thread::current();
        error!(
            place,
            thread = thread.name().unwrap_or("unnamed"),
            "panic: {message}"
        );
    }));
    Ok(())
}

/// Names one request or connection in logs and problem documents: 32 hex digits, as in W3C `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(Uuid);

impl TraceId {
    /// A random one.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The one of a `traceparent` header if it is well-formed, else a random one: nothing else of a client's text may
    /// reach the logs by this way.
    pub fn from_traceparent(header: Option<&str>) -> Self {
        header
            .and_then(parse_traceparent)
            .unwrap_or_else(Self::random)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, all lower case and the id not zero.
fn parse_traceparent(header: &str) -> Option<TraceId> {
    let parts: Vec<&str> = header.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else {
        return None;
    };
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    if version != "00" || !hex(trace, 32) || !hex(parent, 16) || !hex(flags, 2) {
        return None;
    }
    let id = Uuid::try_parse(trace).ok()?;
    (!id.is_nil()).then_some(TraceId(id))
}

/// Makes a [`Line`] for every event.
struct Lines<F>(F);

/// Escapes control characters on their way out. The formatter hands over a whole event at once, so only its last byte
/// may be a line feed.
struct Line<W>(W);

impl<'a, F, W> MakeWriter<'a> for Lines<F>
where
    F: Fn() -> W,
    W: Write,
{
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Line<W> {
        Line((self.0)())
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let body = event.strip_suffix(b"\n").unwrap_or(event);
        // 0xC2 begins the C1 controls, which some terminals obey, and a few letters.
        if body
            .iter()
            .all(|byte| *byte >= 0x20 && !matches!(byte, 0x7f | 0xc2))
        {
            self.0.write_all(event)?;
            return Ok(event.len());
        }
        let mut clean = String::with_capacity(event.len() + 16);
        for letter in String::from_utf8_lossy(body).chars() {
            if letter.is_control() {
                clean.extend(letter.escape_default());
            } else {
                clean.push(letter);
            }
        }
        clean.push('\n');
        self.0.write_all(clean.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .expect("not poisoned")
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let out = sink.clone();
        let builder = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(Lines(move || out.clone()));
        if json {
            tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), log);
        } else {
            tracing::subscriber::with_default(builder.compact().finish(), log);
        }
        let bytes = sink.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_client_can_neither_forge_a_line_nor_steer_the_terminal() {
        let evil = "grüße\nINFO forged\r\x1b[2J\x07\u{9b}31m";
        for json in [false, true] {
            let text = logged(json, || tracing::info!(name = %evil, "{evil}"));
            let body = text.strip_suffix('\n').expect("one whole line");
            assert!(!body.contains(char::is_control), "{text:?}");
            assert!(body.contains("grüße"), "{text:?}");
        }
    }

    #[test]
    fn json_lines_are_objects_with_their_fields_on_top() {
        let text = logged(true, || tracing::info!(room = 7, "said"));
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (&value["message"], &value["room"]),
            (&"said".into(), &7.into())
        );
    }

    #[test]
    fn a_trace_goes_on_only_when_its_header_is_well_formed() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(TraceId::from_traceparent(Some(&good)).to_string(), trace);
        for wrong in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replace("00-4", "01-4"),
            &good.replace(trace, &"0".repeat(32)),
            &good.replace("4bf9", "4b\n9"),
            &format!("{good}-x"),
        ] {
            let id = TraceId::from_traceparent(Some(wrong)).to_string();
            assert!(id != trace && id.len() == 32, "{wrong:?}");
        }
        assert_ne!(TraceId::random(), TraceId::random());
    }

    #[test]
    fn a_log_filter_that_does_not_parse_is_refused() {
        let settings = crate::config::Catalogue::new()
            .with::<ProcessConfig>()
            .load(Default::default(), [("CHATIFY_LOG".into(), "a=b=c".into())])
            .expect("any text");
        let error = start_logs(&settings.read().expect("process")).expect_err("no such filter");
        assert!(matches!(error, TelemetryError::Filter(_)), "{error}");
    }
}
