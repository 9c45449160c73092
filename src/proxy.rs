//! Where a connection comes from, if a proxy says so: in a PROXY header before all else, or in
//! X-Forwarded-For of a request. Bytes and text only; whom to believe is decided in `hub/`.

use std::net::{IpAddr, SocketAddr};

use ppp::{HeaderResult, v1, v2};

/// Bytes of a PROXY header. What proxies add to addresses has a few hundred.
pub const HEADER_BYTES_MAX: usize = 4096;

/// What opens a header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What opens a header of version 1.
const WORD: &[u8; 6] = b"PROXY ";

/// A header of version 2 has so many bytes before what its length counts.
const FIXED_BYTES: usize = 16;

/// The shortest header of version 1 is `PROXY UNKNOWN` and its line end.
const V1_BYTES_MIN: usize = 15;

/// The longest header of version 1, as it is specified.
const V1_BYTES_MAX: usize = 107;

/// What the beginning of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// A part of a header. At least so many bytes of it are still to come.
    Partial(usize),
    /// A whole header, and nothing more. `None` if the proxy speaks for itself, as to see whether
    /// we are there, or does not know.
    Whole(Option<SocketAddr>),
    /// No header, or one that is too long.
    Wrong,
}

impl Header {
    /// Reads what has come of a header. If never more is given to it than it has asked for, nothing
    /// is read that comes after the header.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Header {
        let opens = |with: &[u8]| bytes.iter().zip(with).all(|(byte, of)| byte == of);
        if opens(SIGNATURE) {
            parse_v2(bytes)
        } else if opens(WORD) {
            parse_v1(bytes)
        } else {
            Header::Wrong
        }
    }
}

fn parse_v1(bytes: &[u8]) -> Header {
    if !bytes.ends_with(b"\r\n") {
        // What is not whole and does not end with a CR has at least a CR and a LF to come.
        let least = if bytes.ends_with(b"\r") { 1 } else { 2 };
        return match bytes.len() {
            V1_BYTES_MAX.. => Header::Wrong,
            // Nothing of either version is known before its first byte.
            length => Header::Partial(least.max(V1_BYTES_MIN.saturating_sub(length))),
        };
    }
    match HeaderResult::parse(bytes) {
        HeaderResult::V1(Ok(header)) if header.header.len() == bytes.len() => {
            Header::Whole(match header.addresses {
                v1::Addresses::Tcp4(tcp) => Some((tcp.source_address, tcp.source_port).into()),
                v1::Addresses::Tcp6(tcp) => Some((tcp.source_address, tcp.source_port).into()),
                v1::Addresses::Unknown => None,
            })
        }
        _ => Header::Wrong,
    }
}

fn parse_v2(bytes: &[u8]) -> Header {
    let Some(length) = bytes.get(FIXED_BYTES - 2..FIXED_BYTES) else {
        // A header of version 1 may be shorter, but cannot begin so.
        return Header::Partial(if bytes.is_empty() {
            V1_BYTES_MIN
        } else {
            FIXED_BYTES - bytes.len()
        });
    };
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > HEADER_BYTES_MAX || bytes.len() > length {
        return Header::Wrong;
    }
    if bytes.len() < length {
        return Header::Partial(length - bytes.len());
    }
    match HeaderResult::parse(bytes) {
        HeaderResult::V2(Ok(header)) => Header::Whole(match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(tcp)) => {
                Some((tcp.source_address, tcp.source_port).into())
            }
            (v2::Command::Proxy, v2::Addresses::IPv6(tcp)) => {
                Some((tcp.source_address, tcp.source_port).into())
            }
            _ => None,
        }),
        _ => Header::Wrong,
    }
}

/// The address for which a request was forwarded: the last of the list that no trusted proxy has.
/// `None` if all have one, or the last of the others cannot be read: what stands before it may be
/// forged.
#[must_use]
pub fn forwarded_for(list: &str, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut addresses = list.rsplit(',').map(|text| address(text.trim()));
    addresses.find(|address| address.is_none_or(|address| !is_trusted(address))).flatten()
}

/// An address, perhaps with a port, and an IPv6 address perhaps in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|it: SocketAddr| it.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    /// Gives what it asks for, and no more. Returns what it finds and how much it has taken.
    fn read(input: &[u8]) -> (Header, usize) {
        let mut taken = 0;
        loop {
            match Header::parse(&input[..taken]) {
                Header::Partial(more) if taken + more <= input.len() => taken += more,
                found => return (found, taken),
            }
        }
    }

    #[test]
    fn a_header_is_read_to_its_end_and_no_further() {
        let tcp4 = v2(0x21, 0x11, &[192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0, 80]);
        let with_more = v2(0x21, 0x11, &[&tcp4[16..], &[4, 0, 1, 0]].concat());
        let table: [(&[u8], Option<&str>); 8] = [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 80\r\n", Some("192.0.2.1:12345")),
            (b"PROXY TCP6 2001:db8::1 ::1 12345 80\r\n", Some("[2001:db8::1]:12345")),
            (b"PROXY UNKNOWN\r\n", None),
            (b"PROXY UNKNOWN ffff::1 ::1 1 2\r\n", None),
            (&tcp4, Some("192.0.2.1:12345")),
            (&with_more, Some("192.0.2.1:12345")),
            (&v2(0x20, 0x00, &[]), None),
            (&v2(0x21, 0x31, &[0; 216]), None),
        ];
        for (header, source) in table {
            let source = source.map(|source| source.parse().unwrap());
            let found = (Header::Whole(source), header.len());
            assert_eq!(read(&[header, b"alice\r\n"].concat()), found, "{header:?}");
            for length in 0..header.len() {
                let found = Header::parse(&header[..length]);
                assert!(matches!(found, Header::Partial(1..)), "{found:?} after {length}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_it_shows() {
        let long = [b"PROXY TCP4 ", &[b'1'; 200][..]].concat();
        for input in [
            &b"alice\r\nhello everybody\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0\0\0",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 1.2.3.4.5 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 70000 80\r\n",
            &long,
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 4]),
            &v2(0x21, 0x11, &[0; 10 * 1024]),
        ] {
            let (found, taken) = read(input);
            assert_eq!(found, Header::Wrong, "{input:?}");
            assert!(taken <= V1_BYTES_MAX + 1, "{taken} bytes were read");
        }
    }

    #[test]
    fn the_last_address_that_is_not_trusted_counts() {
        let is_trusted = |ip: IpAddr| ip.to_string().starts_with("10.");
        for (list, found) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.9, 192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.9, 192.0.2.1 ,10.0.0.1,10.0.0.2", Some("192.0.2.1")),
            ("192.0.2.1:443, 10.0.0.1:80", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1, unknown", None),
            ("192.0.2.1,", None),
            ("10.0.0.1", None),
            ("", None),
        ] {
            let found = found.map(|found| found.parse().unwrap());
            assert_eq!(forwarded_for(list, is_trusted), found, "{list}");
        }
    }
}
