//! Tests of patterns and of the table.

use std::time::{Duration, Instant};

use super::*;

fn table(deployments: &[(&'static str, &[Pattern])]) -> Table<&'static str> {
    Table::new(deployments.iter().map(|(name, routes)| (*name, *routes, *name))).unwrap()
}

fn route(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn regex(text: &str) -> Pattern {
    Pattern::regex(text).unwrap()
}

/// Captures as `name=value`, `value` or `-`; `no` and `bad` for the rest.
fn captures(pattern: &Pattern, path: &str) -> String {
    match pattern.matches(path) {
        None => "no".to_owned(),
        Some(Err(BadCapture)) => "bad".to_owned(),
        Some(Ok(args)) => {
            let shown = args.into_iter().map(|arg| {
                let value = arg.value.unwrap_or("-".to_owned());
                arg.name.map_or(value.clone(), |name| format!("{name}={value}"))
            });
            shown.collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn patterns_capture_parts_of_segments() {
    let cases = [
        ("/echo", "/echo", ""),
        ("/echo", "/echo/", "no"),
        ("/echo", "/Echo", "no"),
        ("/echo", "/echo\n", "no"),
        ("/", "/", ""),
        ("/chat/{room}", "/chat/red", "room=red"),
        ("/chat/{room}", "/chat/", "no"),
        ("/chat/{room}", "/chat/a/b", "no"),
        ("/chat/{room}", "/x/chat/red", "no"),
        ("/chat/{room}/{who}", "/chat/red/ann", "room=red who=ann"),
        ("/{a}", "/chat", "a=chat"),
        ("/u-{id}.json", "/u-7.json", "id=7"),
        ("/u-{id}.json", "/u-7xjson", "no"),
        ("/u-{id}.json", "/u-.json", "no"),
        ("/{a}-{b}", "/x-y-z", "a=x-y b=z"),
        ("/a.b+c(d)", "/a.b+c(d)", ""),
        ("/a.b", "/axb", "no"),
    ];
    for (pattern, path, expected) in cases {
        assert_eq!(captures(&route(pattern), path), expected, "{pattern} on {path}");
    }
}

#[test]
fn captures_are_decoded_after_matching() {
    let cases = [
        ("/chat/r%20oom", "room=r oom"),
        ("/chat/a%2Fb", "room=a/b"),
        ("/chat/%C3%BC%e2%82%ac", "room=ü€"),
        ("/chat/a+b", "room=a+b"),
        ("/chat/100%", "room=100%"),
        ("/chat/%zz%2", "room=%zz%2"),
        ("/chat/%2520", "room=%20"),
        ("/chat/%C3", "bad"),
        ("/chat/%ff%fe", "bad"),
        ("/chat/%ED%A0%80", "bad"),
        ("/chat/a%00b", "bad"),
    ];
    for (path, expected) in cases {
        assert_eq!(captures(&route("/chat/{room}"), path), expected, "{path}");
    }
}

#[test]
fn regexes_keep_all_groups_in_order() {
    let cases = [
        (r"/echo/(?P<a>[^/]+)(?:/(.*))?", "/echo/x", "a=x -"),
        (r"/echo/(?P<a>[^/]+)(?:/(.*))?", "/echo/r%20oom/", "a=r oom "),
        (r"/echo/(?P<a>[^/]+)(?:/(.*))?", "/echo/x/y/z", "a=x y/z"),
        (r"/(\d+)(?<unit>px|em)?", "/12", "12 unit=-"),
        (r"/(\d+)(?<unit>px|em)?", "/12px", "12 unit=px"),
        (r"/a|/ab", "/ab", ""),
        (r"/a|/ab", "/abc", "no"),
        (r"/a|/ab", "/x/a", "no"),
        (r"^/a$", "/a", ""),
        (r"/a$", "/a\n", "no"),
        (r"(?m)/a$", "/a\n/b", "no"),
        (r"/(.*)", "/%ff", "bad"),
        (r"(?i)/ECHO", "/echo", ""),
        (r"/(\w+)", "/ab_1", "ab_1"),
        (r"/(\w+)", "/ü", "no"),
        (r"/(.*)", "/ü", "ü"),
        (r"/(.)(.*)", "/ü", "bad"),
    ];
    for (pattern, path, expected) in cases {
        assert_eq!(captures(&regex(pattern), path), expected, "{pattern} on {path}");
    }
}

#[test]
fn bad_patterns_are_explained() {
    let cases = [
        ("", r#"does not start with "/""#),
        ("chat", r#"does not start with "/""#),
        ("/{", r#"has a "{" without "}" at character 2"#),
        ("/x{room", r#"has a "{" without "}" at character 3"#),
        ("/{}", "has a capture without a name at character 2"),
        (
            "/{ro om}",
            "has ' ' in a capture's name at character 5; a name has letters, digits and _, not starting with a digit",
        ),
        (
            "/{1a}",
            "has '1' in a capture's name at character 3; a name has letters, digits and _, not starting with a digit",
        ),
        ("/{a}{b}", "has two captures side by side, and nothing says where one ends, at character 5"),
        ("/{a}/{a}", "has a second capture of the same name at character 6"),
        ("/a}", r#"has a "}" without "{", at character 3"#),
        ("/a?b", "has a '?'; a route matches the path alone, at character 3"),
        ("/ü", "has 'ü'; paths are matched as they are sent, so write %C3%BC, at character 2"),
        ("/a b", "has ' '; paths are matched as they are sent, so write %20, at character 3"),
    ];
    for (pattern, expected) in cases {
        assert_eq!(Pattern::parse(pattern).unwrap_err().to_string(), expected, "{pattern}");
    }
    let long = format!("/{}", "a".repeat(1024));
    let expected = "is 1025 bytes long; at most 1024 are allowed";
    assert_eq!(Pattern::parse(&long).unwrap_err().to_string(), expected);
    assert_eq!(Pattern::regex(&long).unwrap_err().to_string(), expected);
}

#[test]
fn bad_regexes_are_explained() {
    let cases = [
        ("/(a", "is not a regular expression: unclosed group, at character 2"),
        ("/a)", "is not a regular expression: unopened group, at character 3"),
        ("a)|(?:b", "is not a regular expression: unopened group, at character 2"),
        ("/ü[a", "is not a regular expression: unclosed character class, at character 3"),
        ("/\n(a", "is not a regular expression: unclosed group"),
        (
            r"/(?=a)",
            "is not a regular expression: look-around, including look-ahead and look-behind, is not supported, at character 2",
        ),
        (r"/(a)\1", "is not a regular expression: backreferences are not supported, at character 5"),
        ("(?x)/a # comment", "cannot be anchored at its end; remove its (?x) comment"),
        ("/(a{1000}){1000}", "is too large once compiled; at most 32768 bytes are allowed"),
    ];
    for (pattern, expected) in cases {
        assert_eq!(Pattern::regex(pattern).unwrap_err().to_string(), expected, "{pattern}");
    }
    for usual in [r"/chat/(\w+)", r"/(\w+)/(\d+)/(?P<rest>.*)", r"/(?x: \w+ )"] {
        assert!(Pattern::regex(usual).is_ok(), "{usual}");
    }
}

#[test]
fn literals_go_before_captures_and_patterns_before_regexes() {
    let late = [regex("/chat/.*"), route("/{a}/{b}"), route("/chat/{room}")];
    let early = [route("/chat/lobby"), route("/chat/{room}.json"), route("/{a}/lobby"), regex("/.*")];
    let table = table(&[("late", &late), ("early", &early)]);
    let found = |path: &str| match table.find(path) {
        Found::Match(name, args) => format!("{name} {}", args.len()),
        Found::None => "none".to_owned(),
        Found::BadPath => "bad".to_owned(),
    };
    assert_eq!(found("/chat/lobby"), "early 0");
    assert_eq!(found("/chat/red.json"), "early 1");
    assert_eq!(found("/chat/red"), "late 1");
    assert_eq!(found("/other/lobby"), "early 1");
    assert_eq!(found("/other/red"), "late 2");
    assert_eq!(found("/chat/a/b"), "late 0", "the first regex wins");
    assert_eq!(found("/x/y/z"), "early 0");
    assert_eq!(found("x"), "none");
    assert_eq!(found("/chat/%ff"), "bad", "a bad capture is not offered to later routes");
    assert_eq!(Table::<u8>::default().find("/"), Found::None);
}

/// What a `{name}` pattern means, said in another way: `*` stands for a capture.
fn is_match(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern, path) {
        ([], _) => path.is_empty(),
        ([b'*', rest @ ..], [first, more @ ..]) => *first != b'/' && (is_match(rest, more) || is_match(pattern, more)),
        ([literal, rest @ ..], [first, more @ ..]) => literal == first && is_match(rest, more),
        (_, []) => false,
    }
}

/// All texts of up to `length` of these letters, after a slash.
fn texts(letters: &str, length: usize) -> Vec<String> {
    let mut all = vec!["/".to_owned()];
    let mut start = 0;
    for _ in 0..length {
        let end = all.len();
        for index in start..end {
            let longer: Vec<String> = letters.chars().map(|letter| format!("{}{letter}", all[index])).collect();
            all.extend(longer);
        }
        start = end;
    }
    all
}

#[test]
fn all_small_patterns_match_as_they_should_and_the_most_literal_wins() {
    let shapes: Vec<String> = texts("a/*", 4).into_iter().filter(|shape| !shape.contains("**")).collect();
    let name = |shape: &str| {
        let parts: Vec<&str> = shape.split('*').collect();
        let named = parts
            .iter()
            .enumerate()
            .map(|(n, part)| if n == 0 { (*part).to_owned() } else { format!("{{x{n}}}{part}") });
        route(&named.collect::<String>())
    };
    let patterns: Vec<Pattern> = shapes.iter().map(|shape| name(shape)).collect();
    let deployments = shapes.iter().zip(&patterns);
    let table = Table::new(deployments.map(|(shape, p)| ("d", std::slice::from_ref(p), shape.as_str()))).unwrap();
    for path in texts("ab/", 5) {
        let mut matching = Vec::new();
        for (shape, pattern) in shapes.iter().zip(&patterns) {
            let expected = is_match(shape.as_bytes(), path.as_bytes());
            assert_eq!(pattern.matches(&path).is_some(), expected, "{shape} on {path}");
            if expected {
                matching.push(shape.as_str());
            }
        }
        // `~` comes after all letters: the least text is the one with a literal at the first difference.
        let wanted = matching.into_iter().min_by_key(|shape| shape.replace('*', "~") + "\u{7f}");
        let found = match table.find(&path) {
            Found::Match(shape, _) => Some(shape),
            _ => None,
        };
        assert_eq!(found, wanted, "{path}");
    }
}

#[test]
fn the_order_of_deployments_does_not_matter_to_patterns() {
    let routes = ["/{a}", "/x", "/{a}/y", "/x/{b}", "/x/y", "/x{a}", "/{a}-{b}", "/x-{b}"].map(route);
    let paths = ["/x", "/z", "/z/y", "/x/q", "/x/y", "/xz", "/a-b", "/x-b", "/x-", "/-", "/x/y/z"];
    let name = |pattern: &Pattern| pattern.as_str().to_owned();
    let expected: Vec<_> = {
        let table = Table::new(routes.iter().map(|r| ("d", std::slice::from_ref(r), name(r)))).unwrap();
        paths.map(|path| table.find(path)).into()
    };
    for turn in 0..routes.len() {
        let mut turned = routes.clone();
        turned.rotate_left(turn);
        turned.swap(0, turn);
        let table = Table::new(turned.iter().map(|r| ("d", std::slice::from_ref(r), name(r)))).unwrap();
        let found: Vec<_> = paths.iter().map(|path| table.find(path)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn conflicts_name_both_deployments_and_routes() {
    let chat = [route("/chat/{room}"), regex("/a(.*)")];
    let echo = [route("/chat/{name}"), route("/echo"), regex("/a(.*)"), route("/echo")];
    let error = Table::new([("chat", &chat[..], ()), ("echo", &echo[..], ())]).unwrap_err();
    let expected = r#"
route "/chat/{name}" of deployment "echo" matches the same paths as route "/chat/{room}" of deployment "chat"; change or remove one of them
route regex '/a(.*)' of deployment "echo" matches the same paths as route regex '/a(.*)' of deployment "chat"; change or remove one of them
route "/echo" of deployment "echo" matches the same paths as route "/echo" of deployment "echo"; change or remove one of them"#;
    assert_eq!(error.to_string(), expected.trim_start());
    // The same text is another route when it is read in the other way.
    let (one, other) = ([route("/echo")], [regex("/echo")]);
    assert!(Table::new([("one", &one[..], ()), ("other", &other[..], ())]).is_ok());
}

#[test]
fn hostile_paths_cost_linear_time() {
    let patterns = [
        regex(r"/(a+)+b"),
        regex(r"/(?:(a|aa|a?)*)*c"),
        regex(r"/(.*)(.*)(.*)(.*)x"),
        regex(r"/(\w+\s?)*!"),
        route("/{a}-{b}-{c}-{d}-{e}.z"),
    ];
    let table = table(&[("all", &patterns)]);
    let paths = [format!("/{}", "a".repeat(16 * 1024)), format!("/{}", "a-".repeat(8 * 1024)), "/".repeat(16 * 1024)];
    let start = Instant::now();
    for path in &paths {
        assert_eq!(table.find(path), Found::None);
    }
    // Some milliseconds; anything that backtracks would take years.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
