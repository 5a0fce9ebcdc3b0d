//! Reading a query string, with which a test tells a guest what to do.

/// The key-value pairs, percent-decoded, `+` as a space.
pub fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// The first value of a key.
pub fn value(query: Option<&str>, key: &str) -> Option<String> {
    pairs(query).into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hexadecimal(bytes.next()) * 16 + hexadecimal(bytes.next()),
            other => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hexadecimal(digit: Option<u8>) -> u8 {
    digit.and_then(|digit| char::from(digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0)
}
