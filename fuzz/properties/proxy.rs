//! What must hold of [`chinwag::proxy`]: where a connection comes from, as a proxy tells.

use std::net::IpAddr;

use chinwag::proxy::{HEADER_BYTES_MAX, Header, forwarded_for};

/// A PROXY header is read to its end and no further, however it is cut, and nothing is believed of
/// its length; and of a list of addresses none is taken that is trusted, or that is not there.
pub fn proxy_header(data: &[u8]) {
    let mut taken = 0;
    let found = loop {
        match Header::parse(&data[..taken]) {
            Header::Partial(more) => {
                assert!(more > 0 && taken + more <= HEADER_BYTES_MAX, "{more} after {taken}");
                if taken + more > data.len() {
                    break None;
                }
                taken += more;
            }
            found => break Some(found),
        }
    };
    // However little comes at once, the same is found.
    if let Some(found @ Header::Whole(source)) = found {
        for length in 0..taken {
            assert!(matches!(Header::parse(&data[..length]), Header::Partial(_)), "at {length}");
        }
        check_end(&data[..taken], source.is_some());
        assert_eq!(Header::parse(&data[..taken]), found);
    }

    let list = String::from_utf8_lossy(data);
    let is_trusted = |address: IpAddr| address.is_loopback() || address.to_string().len() < 8;
    if let Some(address) = forwarded_for(&list, is_trusted) {
        assert!(!is_trusted(address));
        assert!(list.contains(['.', ':']), "{address} is in {list:?}");
    }
    assert_eq!(forwarded_for(&list, |_| true), None);
}

/// A whole header has the length that it says, or ends with its only line.
fn check_end(header: &[u8], has_source: bool) {
    if header.starts_with(b"PROXY ") {
        assert!(header.ends_with(b"\r\n") && header.len() <= 108);
        assert_eq!(header.windows(2).filter(|two| two == b"\r\n").count(), 1);
        assert_eq!(has_source, header.starts_with(b"PROXY TCP"));
    } else {
        let length = usize::from(header[14]) << 8 | usize::from(header[15]);
        assert_eq!(header.len(), 16 + length);
        assert!(!has_source || header[12] == 0x21, "only a proxy speaks for others");
    }
}
