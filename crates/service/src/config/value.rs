//! How the text of a setting becomes a value, and back: "30s", "64KiB", "on", "127.0.0.1:8080", a list with commas.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::{MASK, Secret};

/// A type that a setting may have.
pub trait Value: Sized {
    /// What the reference calls it, such as `duration`.
    const KIND: &'static str;
    /// Whether it must never be shown.
    const SECRET: bool = false;
    /// Whether it may be the content of a file of its own (`…_FILE`): secrets, and what may hold one.
    const FROM_FILE: bool = Self::SECRET;
    /// Whether it may stand alone as a flag, which then means "on".
    const SWITCH: bool = false;

    /// The text as people may see it in `chatify config` and in messages.
    fn shown(text: &str) -> String {
        text.to_owned()
    }

    /// Reads the text; the error completes the sentence "`key` is …".
    ///
    /// # Errors
    /// When the text is no such value.
    fn parse(text: &str) -> Result<Self, String>;
}

impl Value for String {
    const KIND: &'static str = "text";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "path";
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("not a path: it is empty".to_owned())
        } else {
            Ok(text.into())
        }
    }
}

impl Value for Secret {
    const KIND: &'static str = "secret";
    const SECRET: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text.to_owned()))
    }
}

impl Value for bool {
    const KIND: &'static str = "on \\| off";
    const SWITCH: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            _ => Err("neither `on` nor `off`".to_owned()),
        }
    }
}

macro_rules! from_str_values {
    ($($type:ty, $kind:literal, $example:literal;)*) => {$(
        impl Value for $type {
            const KIND: &'static str = $kind;
            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("not {}, such as `{}`", $kind, $example))
            }
        }
    )*};
}

from_str_values! {
    u16, "a number to 65535", "8080";
    u32, "a whole number", "100";
    u64, "a whole number", "100";
    usize, "a whole number", "100";
    SocketAddr, "an address with port", "127.0.0.1:8080";
    IpAddr, "an IP address", "10.0.0.1";
}

impl Value for Duration {
    const KIND: &'static str = "duration";
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "not a duration, such as `250ms`, `30s`, `5m`, `2h` or `7d`".to_owned();
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let ms = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            "d" => number.checked_mul(86_400_000),
            _ => None,
        };
        ms.map(Self::from_millis).ok_or_else(wrong)
    }
}

/// A number of bytes, written `512`, `64KiB`, `1MiB` or `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// As a bound for something in memory; what does not fit in an address space is as good as no bound.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// As a bound for something on disk or on the wire.
    pub const fn bytes_u64(self) -> u64 {
        self.0
    }
}

impl Value for Size {
    const KIND: &'static str = "size";
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "not a size, such as `512`, `64KiB`, `1MiB` or `2GiB`".to_owned();
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let bytes = match unit {
            "" | "B" => Some(number),
            "KiB" => number.checked_mul(1 << 10),
            "MiB" => number.checked_mul(1 << 20),
            "GiB" => number.checked_mul(1 << 30),
            _ => None,
        };
        bytes.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, unit) = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
            .into_iter()
            .find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift)
            .unwrap_or((0, "B"));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

/// A share from 0 to 100, written `25%` or `25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// From 0.0 to 1.0.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl Value for Percent {
    const KIND: &'static str = "percentage";
    fn parse(text: &str) -> Result<Self, String> {
        text.strip_suffix('%')
            .unwrap_or(text)
            .parse()
            .ok()
            .filter(|percent| *percent <= 100)
            .map(Self)
            .ok_or_else(|| "not a percentage, such as `25%`".to_owned())
    }
}

/// Where a server is: `scheme:…`. Shown without the password in it; whoever opens it says what is wrong with the rest.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// All of it, for the one library that connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon.
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::shown(&self.0))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for Url {
    const KIND: &'static str = "URL";
    const FROM_FILE: bool = true;

    fn shown(text: &str) -> String {
        // The last @: a password may hold one that is not escaped.
        let Some((before, after)) = text.rsplit_once('@') else {
            return text.to_owned();
        };
        let name_at = before.find("://").map_or(0, |at| at + 3);
        match before[name_at..].split_once(':') {
            Some((name, _)) => format!("{}{name}:{MASK}@{after}", &before[..name_at]),
            None => text.to_owned(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        is_scheme
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| "not a URL, such as `redis://127.0.0.1:6379`".to_owned())
    }
}

/// Empty text is "unset".
impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;
    const SECRET: bool = T::SECRET;
    const FROM_FILE: bool = T::FROM_FILE;
    fn shown(text: &str) -> String {
        T::shown(text)
    }
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::parse(text).map(Some)
        }
    }
}

/// Parts are separated by commas; in TOML it may be an array. Empty text is the empty list.
impl<T: Value> Value for Vec<T> {
    const KIND: &'static str = "list";
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::new());
        }
        text.split(',')
            .map(|part| T::parse(part.trim()).map_err(|why| format!("wrong in `{part}`: {why}")))
            .collect()
    }
}

/// `64KiB` → (64, "KiB"). Nothing when there is no whole number in front.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let ms = |text| Duration::parse(text).map(|duration| duration.as_millis());
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("30s"), Ok(30_000));
        assert_eq!(ms("7d"), Ok(604_800_000));
        for wrong in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "99999999999999999d",
            "3 weeks",
        ] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_read_back_as_they_are_shown() {
        for text in ["0B", "512B", "64KiB", "1MiB", "3GiB", "1025B"] {
            assert_eq!(Size::parse(text).expect("a size").to_string(), text);
        }
        for wrong in ["", "KiB", "64KB", "-1", "99999999999999GiB"] {
            assert!(Size::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (text, shown) in [
            (
                "amqp://guest:g%40st@h:5672/%2f",
                "amqp://guest:***@h:5672/%2f",
            ),
            ("mongodb://u:p@ss@a,b/?x=1", "mongodb://u:***@a,b/?x=1"),
            ("redis://:secret@h:1", "redis://:***@h:1"),
            ("redis://u@h", "redis://u@h"),
            ("sqlite:./data/chatify.db", "sqlite:./data/chatify.db"),
        ] {
            let url = Url::parse(text).expect("a URL");
            assert_eq!(
                (format!("{url} {url:?}"), url.expose()),
                (format!("{shown} {shown}"), text)
            );
        }
        for wrong in ["", "127.0.0.1:6379", "://x", "no url"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_names_the_part_that_is_wrong() {
        assert_eq!(Vec::<u16>::parse("1, 2,3"), Ok(vec![1, 2, 3]));
        assert_eq!(Vec::<u16>::parse(""), Ok(vec![]));
        let error = Vec::<u16>::parse("1,x").expect_err("not a number");
        assert!(error.starts_with("wrong in `x`: not a number"), "{error}");
    }

    #[test]
    fn empty_text_unsets_what_is_optional() {
        assert_eq!(Option::<u16>::parse(""), Ok(None));
        assert_eq!(Option::<u16>::parse("7"), Ok(Some(7)));
        assert!(Option::<u16>::parse("x").is_err());
    }

    #[test]
    fn switches_and_percentages_say_what_they_take() {
        assert_eq!(
            (bool::parse("on"), bool::parse("false")),
            (Ok(true), Ok(false))
        );
        assert!(bool::parse("yes").is_err());
        assert_eq!(Percent::parse("25%").map(Percent::share), Ok(0.25));
        assert!(Percent::parse("101").is_err());
    }
}
