//! Which addresses are never called, unless the operator says so.
//!
//! A tenant names URLs and we call them from inside the operator's network: without a guard, that is a way into it. The guard
//! is a pure table; `dial` asks it about every address after DNS and right before dialling, `url` asks it about literal
//! addresses when a URL is entered, to be kind.
//!
//! It promises:
//! - an IPv6 address that only wraps an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo) gets the verdict of
//!   what is inside: wrapping neither opens nor closes anything;
//! - IPv6 outside the global unicast space `2000::/3` is refused, so a range that is assigned tomorrow is closed today.
//!
//! The ranges are those of the IANA special-purpose registries (RFC 6890 and its updates) and the metadata services of the
//! large clouds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The operator's rules for where the client may go. The default refuses every special range.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Opens loopback, private, shared (carrier-grade NAT) and unique-local addresses, as a demo or a closed network needs.
    /// Link-local and metadata addresses stay closed: they have no honest receiver.
    pub allow_private: bool,
    /// Networks that are always called. A wrapped address is matched by the IPv4 address inside it.
    pub allow: Vec<IpNet>,
}

impl Guard {
    /// Judges one address; the error is the stable name of the range that refuses it, such as `"loopback"`.
    ///
    /// # Errors
    /// When the address lies in a special range that the operator has not opened.
    pub fn check(&self, ip: IpAddr) -> Result<(), &'static str> {
        match ip {
            IpAddr::V4(v4) => self.check_v4(v4),
            IpAddr::V6(v6) => match wrapped(v6) {
                Some(inner) => inner.into_iter().try_for_each(|v4| self.check_v4(v4)),
                None => self.check_v6(v6),
            },
        }
    }

    fn check_v4(&self, ip: Ipv4Addr) -> Result<(), &'static str> {
        match V4.iter().find(|row| row.net.contains(&ip)) {
            Some(row) if !self.opens(ip.into(), row.private) => Err(row.range),
            _ => Ok(()),
        }
    }

    fn check_v6(&self, ip: Ipv6Addr) -> Result<(), &'static str> {
        let (range, private) = match V6.iter().find(|row| row.net.contains(&ip)) {
            Some(row) => (row.range, row.private),
            None if GLOBAL_UNICAST.contains(&ip) => return Ok(()),
            None => ("reserved", false),
        };
        if self.opens(ip.into(), private) {
            Ok(())
        } else {
            Err(range)
        }
    }

    fn opens(&self, ip: IpAddr, private: bool) -> bool {
        (private && self.allow_private) || self.allow.iter().any(|net| net.contains(&ip))
    }
}

/// One special range. The first row that contains an address decides, so the narrow ones stand first.
struct Row<Net> {
    net: Net,
    range: &'static str,
    /// Opened by `allow_private`.
    private: bool,
}

const fn v4(net: [u8; 4], prefix: u8, range: &'static str) -> Row<Ipv4Net> {
    let [a, b, c, d] = net;
    Row {
        net: Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix),
        range,
        private: false,
    }
}

const fn v6(net: [u16; 4], last: u16, prefix: u8, range: &'static str) -> Row<Ipv6Net> {
    let [a, b, c, d] = net;
    Row {
        net: Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, last), prefix),
        range,
        private: false,
    }
}

const fn private<Net: Copy>(row: &Row<Net>) -> Row<Net> {
    Row {
        net: row.net,
        range: row.range,
        private: true,
    }
}

const V4: &[Row<Ipv4Net>] = &[
    v4([169, 254, 169, 254], 32, "metadata"), // nearly every cloud
    v4([169, 254, 170, 2], 32, "metadata"),   // AWS containers
    v4([100, 100, 100, 200], 32, "metadata"), // Alibaba, inside the shared range
    v4([168, 63, 129, 16], 32, "metadata"),   // Azure, a public address that only its guests reach
    v4([192, 0, 0, 192], 32, "metadata"),     // Oracle
    v4([0, 0, 0, 0], 8, "unspecified"),
    private(&v4([10, 0, 0, 0], 8, "private")),
    private(&v4([100, 64, 0, 0], 10, "shared")),
    private(&v4([127, 0, 0, 0], 8, "loopback")),
    v4([169, 254, 0, 0], 16, "link-local"),
    private(&v4([172, 16, 0, 0], 12, "private")),
    v4([192, 0, 0, 0], 24, "reserved"), // protocol assignments
    v4([192, 0, 2, 0], 24, "documentation"),
    v4([192, 88, 99, 0], 24, "reserved"), // 6to4 relays, withdrawn
    private(&v4([192, 168, 0, 0], 16, "private")),
    v4([198, 18, 0, 0], 15, "benchmarking"),
    v4([198, 51, 100, 0], 24, "documentation"),
    v4([203, 0, 113, 0], 24, "documentation"),
    v4([224, 0, 0, 0], 4, "multicast"),
    v4([255, 255, 255, 255], 32, "broadcast"),
    v4([240, 0, 0, 0], 4, "reserved"),
];

const V6: &[Row<Ipv6Net>] = &[
    v6([0, 0, 0, 0], 0, 128, "unspecified"),
    private(&v6([0, 0, 0, 0], 1, 128, "loopback")),
    v6([0x100, 0, 0, 0], 0, 64, "discard"),
    v6([0x2001, 2, 0, 0], 0, 48, "benchmarking"),
    v6([0x2001, 0, 0, 0], 0, 23, "reserved"), // protocol assignments; Teredo was unwrapped before
    v6([0x2001, 0xdb8, 0, 0], 0, 32, "documentation"),
    v6([0x3fff, 0, 0, 0], 0, 20, "documentation"),
    v6([0x5f00, 0, 0, 0], 0, 16, "srv6"),
    v6([0xfd00, 0xec2, 0, 0], 0x254, 128, "metadata"), // AWS
    v6([0xfd20, 0xce, 0, 0], 0x254, 128, "metadata"),  // Google
    private(&v6([0xfc00, 0, 0, 0], 0, 7, "unique-local")),
    v6([0xfe80, 0, 0, 0], 0, 10, "link-local"),
    v6([0xfec0, 0, 0, 0], 0, 10, "site-local"),
    v6([0xff00, 0, 0, 0], 0, 8, "multicast"),
];

const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The IPv4 addresses inside an IPv6 address, all of which must be allowed; `None` when it wraps none.
fn wrapped(ip: Ipv6Addr) -> Option<Vec<Ipv4Addr>> {
    let o = ip.octets();
    let at = |a: usize, b: usize, c: usize, d: usize| Ipv4Addr::new(o[a], o[b], o[c], o[d]);
    let last = at(12, 13, 14, 15);
    match ip.segments() {
        // `::` and `::1` look like IPv4-compatible addresses but have rows of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Compatible `::/96`, mapped `::ffff:0:0/96`, translated `::ffff:0:0:0/96`, NAT64 `64:ff9b::/96`.
        [0, 0, 0, 0, 0, 0, ..]
        | [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(vec![last]),
        // NAT64 `64:ff9b:1::/48`: the network chooses how long its prefix is (RFC 6052), and only it knows. So every reading
        // must be allowed, except those that fall into `0.0.0.0/8`: no translator sends there, and zeros are mere filling.
        [0x64, 0xff9b, 1, ..] => {
            let readings = [at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12), last];
            let inner: Vec<_> = readings
                .into_iter()
                .filter(|v4| v4.octets()[0] != 0)
                .collect();
            Some(if inner.is_empty() { vec![last] } else { inner })
        }
        // 6to4: the router's address follows the prefix.
        [0x2002, ..] => Some(vec![at(2, 3, 4, 5)]),
        // Teredo: the server as it is, the client with its bits turned.
        [0x2001, 0, ..] => Some(vec![at(4, 5, 6, 7), Ipv4Addr::from_bits(!last.to_bits())]),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
