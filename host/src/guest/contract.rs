//! Which version of the contract a component was built against, where it is not this host's.

const PACKAGE: &str = "whimbrel:websocket/";
/// That of this host; a component with another patch version fits too.
const VERSION: &str = "0.1.0";

/// What to tell the author of a component whose imports and exports have these names; none when its version fits.
pub(super) fn other_version<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let versions = names.filter_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'));
    let (interface, found) = versions.into_iter().find(|(_, version)| !fits(version))?;
    let age = if numbers(found) < numbers(VERSION) { "an older" } else { "a newer" };
    let cure = match age {
        "an older" => "build it again with this version's SDK or WIT files (`whimbrel wit` writes them)",
        _ => {
            "it needs a newer whimbrel, or to be built again with this one's SDK or WIT files (`whimbrel wit` writes them)"
        }
    };
    Some(format!(
        "built for {age} contract, {PACKAGE}{interface}@{found}, and this host speaks {PACKAGE}{interface}@{VERSION}; {cure}"
    ))
}

/// Before 1.0 a minor version may break things.
fn fits(version: &str) -> bool {
    let (found, own) = (numbers(version), numbers(VERSION));
    found.len() == own.len() && found.get(..2) == own.get(..2)
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::other_version;

    #[test]
    fn only_another_minor_version_does_not_fit() {
        let told = |name: &str| other_version(["wasi:cli/stdout@0.2.9", name].into_iter());
        for fitting in
            ["whimbrel:websocket/handler@0.1.0", "whimbrel:websocket/handler@0.1.7", "other", "a:b/handler@0.0.1"]
        {
            assert_eq!(told(fitting), None, "{fitting}");
        }
        for (name, word) in [
            ("whimbrel:websocket/handler@0.0.9", "an older contract"),
            ("whimbrel:websocket/connection@0.2.0", "a newer contract"),
            ("whimbrel:websocket/topics@1.0.0", "a newer contract"),
        ] {
            assert!(told(name).unwrap().contains(word), "{name}");
        }
    }
}
