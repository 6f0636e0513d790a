//! Durations, sizes, times of day and addresses as people write them: `250ms`, `15s`, `5m`, `72h`, `30d`; `512B`, `64KiB`,
//! `8MiB`, `64GiB`; `02:30`; `127.0.0.1:8080`.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer};

/// A duration in a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duration(pub std::time::Duration);

/// A number of bytes in a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub usize);

/// A time of day in UTC in a configuration file; none when it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyTime(pub Option<jiff::civil::Time>);

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// Reads a duration.
pub fn duration(text: &str) -> Option<std::time::Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => return Some(std::time::Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number
        .checked_mul(seconds)
        .map(std::time::Duration::from_secs)
}

/// Reads a size.
pub(super) fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    usize::try_from(number.checked_mul(1u64 << shift)?).ok()
}

/// Reads an address to listen at, in a file as on the command line.
///
/// # Errors
/// What was expected instead.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| {
        format!(
            "`{text}` is not an address to listen at: write 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for all of this \
             machine; the port is 0 (a free one) to 65535, and names are not looked up"
        )
    })
}

/// The same for serde.
pub(super) fn read_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    address(&text).map_err(serde::de::Error::custom)
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = duration(&text).map(Self);
        parsed.ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not a duration: write 250ms, 15s, 5m, 72h or 30d"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for DailyTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let time = jiff::civil::Time::strptime("%H:%M", text.trim());
        time.map(|time| Self(Some(time))).map_err(|_| {
            serde::de::Error::custom(format!(
                "`{text}` is not a time of day: write 02:30, or nothing for never"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = bytes(&text).map(Self);
        parsed.ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not a size: write 512B, 64KiB, 8MiB or 64GiB"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        assert_eq!(
            duration("250ms"),
            Some(std::time::Duration::from_millis(250))
        );
        assert_eq!(
            duration("72h"),
            Some(std::time::Duration::from_secs(72 * 3600))
        );
        assert_eq!(bytes("8MiB"), Some(8 << 20));
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "5 parsecs",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(bytes("8MB"), None);
    }
}
