//! The guard's manual: one line a range, one line a wrapping.

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("the table holds addresses")
}

/// First and last address of every range, its name, and whether `allow_private` opens it.
const REFUSED: &[(&str, &str, &str, bool)] = &[
    ("0.0.0.0", "0.255.255.255", "unspecified", false),
    ("10.0.0.0", "10.255.255.255", "private", true),
    ("100.64.0.0", "100.127.255.255", "shared", true),
    ("100.100.100.200", "100.100.100.200", "metadata", false),
    ("127.0.0.0", "127.255.255.255", "loopback", true),
    ("168.63.129.16", "168.63.129.16", "metadata", false),
    ("169.254.0.0", "169.254.255.255", "link-local", false),
    ("169.254.169.254", "169.254.169.254", "metadata", false),
    ("169.254.170.2", "169.254.170.2", "metadata", false),
    ("172.16.0.0", "172.31.255.255", "private", true),
    ("192.0.0.0", "192.0.0.255", "reserved", false),
    ("192.0.0.192", "192.0.0.192", "metadata", false),
    ("192.0.2.0", "192.0.2.255", "documentation", false),
    ("192.88.99.0", "192.88.99.255", "reserved", false),
    ("192.168.0.0", "192.168.255.255", "private", true),
    ("198.18.0.0", "198.19.255.255", "benchmarking", false),
    ("198.51.100.0", "198.51.100.255", "documentation", false),
    ("203.0.113.0", "203.0.113.255", "documentation", false),
    ("224.0.0.0", "239.255.255.255", "multicast", false),
    ("240.0.0.0", "255.255.255.254", "reserved", false),
    ("255.255.255.255", "255.255.255.255", "broadcast", false),
    ("::", "::", "unspecified", false),
    ("::1", "::1", "loopback", true),
    ("100::", "100::ffff:ffff:ffff:ffff", "discard", false),
    ("100:0:0:1::", "1fff:ffff::", "reserved", false),
    ("2001:1::", "2001:1ff:ffff::", "reserved", false),
    (
        "2001:2::",
        "2001:2:0:ffff:ffff:ffff:ffff:ffff",
        "benchmarking",
        false,
    ),
    (
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "documentation",
        false,
    ),
    (
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "documentation",
        false,
    ),
    ("4000::", "5eff::", "reserved", false),
    (
        "5f00::",
        "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "srv6",
        false,
    ),
    ("6000::", "fbff::", "reserved", false),
    (
        "fc00::",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "unique-local",
        true,
    ),
    ("fd00:ec2::254", "fd00:ec2::254", "metadata", false),
    ("fd20:ce::254", "fd20:ce::254", "metadata", false),
    (
        "fe80::",
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "link-local",
        false,
    ),
    (
        "fec0::",
        "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "site-local",
        false,
    ),
    (
        "ff00::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "multicast",
        false,
    ),
];

/// Neighbours of the ranges above, and other addresses that strangers really have.
const CALLED: &[&str] = &[
    "1.0.0.0",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "8.8.8.8",
    "2000::",
    "2001:200::",
    "2001:db7::1",
    "2001:db9::1",
    "2606:4700::1111",
    "2a00:1450:4001:800::200e",
    "3ffe:ffff::1",
    "3fff:1000::",
];

#[test]
fn special_ranges_are_refused_by_name() {
    let closed = Guard::default();
    let private = Guard {
        allow_private: true,
        allow: vec![],
    };
    for (first, last, range, opened) in REFUSED {
        for address in [first, last] {
            assert_eq!(closed.check(ip(address)), Err(*range), "{address}");
            assert_eq!(
                private.check(ip(address)),
                if *opened { Ok(()) } else { Err(*range) },
                "{address}, private allowed"
            );
        }
    }
}

#[test]
fn everything_else_is_called() {
    for address in CALLED {
        assert_eq!(Guard::default().check(ip(address)), Ok(()), "{address}");
    }
}

#[test]
fn a_wrapping_is_judged_by_what_it_wraps() {
    let table: &[(&str, Result<(), &str>)] = &[
        // IPv4-mapped
        ("::ffff:127.0.0.1", Err("loopback")),
        ("::ffff:8.8.8.8", Ok(())),
        // IPv4-compatible
        ("::10.0.0.1", Err("private")),
        ("::0.0.0.2", Err("unspecified")),
        ("::8.8.8.8", Ok(())),
        // IPv4-translated
        ("::ffff:0:169.254.169.254", Err("metadata")),
        ("::ffff:0:8.8.8.8", Ok(())),
        // NAT64, well-known prefix
        ("64:ff9b::192.168.0.1", Err("private")),
        ("64:ff9b::8.8.8.8", Ok(())),
        // NAT64, local use: prefixes of 96, 64, 56 and 48 bits
        ("64:ff9b:1::169.254.169.254", Err("metadata")),
        ("64:ff9b:1::8.8.8.8", Ok(())),
        ("64:ff9b:1:2:7f:0:100:0", Err("loopback")),
        ("64:ff9b:1:20a:1:200::", Err("private")),
        ("64:ff9b:1:7f00:0:100::", Err("loopback")),
        ("64:ff9b:1::", Err("unspecified")),
        // 6to4
        ("2002:7f00:1::1", Err("loopback")),
        ("2002:808:808::1", Ok(())),
        // Teredo: client (bits turned), then server
        ("2001:0:808:808::80ff:fffe", Err("loopback")),
        ("2001:0:a00:1::f7f7:f7f7", Err("private")),
        ("2001:0:808:808::f7f7:f7f7", Ok(())),
    ];
    for (address, verdict) in table {
        assert_eq!(Guard::default().check(ip(address)), *verdict, "{address}");
    }
}

#[test]
fn the_operator_can_open_any_network() {
    let allow = ["169.254.7.0/24", "2001:db8::/32"]
        .map(|net| net.parse().expect("a network"))
        .to_vec();
    let guard = Guard {
        allow_private: false,
        allow,
    };
    assert_eq!(guard.check(ip("169.254.7.1")), Ok(()));
    assert_eq!(
        guard.check(ip("::ffff:169.254.7.1")),
        Ok(()),
        "wrapped as well"
    );
    assert_eq!(guard.check(ip("2001:db8::1")), Ok(()));
    assert_eq!(guard.check(ip("169.254.8.1")), Err("link-local"));
}

#[test]
fn opening_an_ipv6_network_does_not_open_what_is_wrapped_in_it() {
    let guard = Guard {
        allow_private: false,
        allow: vec!["::/0".parse().expect("a network")],
    };
    assert_eq!(guard.check(ip("::ffff:127.0.0.1")), Err("loopback"));
    assert_eq!(guard.check(ip("2002:7f00:1::")), Err("loopback"));
    assert_eq!(
        guard.check(ip("fe80::1")),
        Ok(()),
        "which is what the operator said"
    );
}

/// Every form in which one IPv4 address can be written as an IPv6 address.
fn wrappings(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let mut all = vec![
        v4.to_ipv6_mapped(),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 7, 0, 0, 0, 9),
        Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0x1234, !high, !low),
    ];
    // `::` and `::1` are IPv6's own unspecified and loopback addresses.
    if v4.to_bits() > 1 {
        all.push(v4.to_ipv6_compatible());
    }
    all
}

fn any_guard() -> impl Strategy<Value = Guard> {
    let net = (any::<u32>(), 0u8..=32).prop_map(|(bits, prefix)| {
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), prefix))
    });
    (any::<bool>(), proptest::collection::vec(net, 0..3)).prop_map(|(allow_private, allow)| Guard {
        allow_private,
        allow,
    })
}

/// Random addresses rarely hit a range of 256, so half of them start at a row of the table.
fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    let special = (0..V4.len(), any::<u32>()).prop_map(|(row, bits)| {
        let net = &V4[row].net;
        Ipv4Addr::from_bits(net.network().to_bits() | (bits & net.hostmask().to_bits()))
    });
    prop_oneof![any::<u32>().prop_map(Ipv4Addr::from_bits), special]
}

proptest! {
    #[test]
    fn wrapping_never_changes_a_verdict(guard in any_guard(), v4 in any_v4()) {
        // The Teredo server in these addresses is public.
        prop_assume!(guard.check(ip("8.8.8.8")) == Ok(()));
        let verdict = guard.check(v4.into());
        for wrapped in wrappings(v4) {
            prop_assert_eq!(guard.check(wrapped.into()), verdict, "{} in {}", v4, wrapped);
        }
    }

    /// Where a local NAT64 prefix ends is unknown, so a refused address is refused in every place it may stand.
    #[test]
    fn local_nat64_hides_nothing(v4 in any_v4(), filling in any::<[u8; 16]>()) {
        prop_assume!(Guard::default().check(v4.into()).is_err() && v4.octets()[0] != 0);
        for places in [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]] {
            let mut octets = filling;
            octets[..6].copy_from_slice(&[0, 0x64, 0xff, 0x9b, 0, 1]);
            for (place, octet) in places.into_iter().zip(v4.octets()) {
                octets[place] = octet;
            }
            prop_assert!(Guard::default().check(Ipv6Addr::from(octets).into()).is_err());
        }
    }
}
