//! Limits: as they are shown, so they are read; a ceiling is never passed.

use proptest::prelude::*;
use whimbrel::limits::{Ceilings, KEYS, Key, Limits};

use crate::fuzz::config::check_written;

/// An amount in the key's range, at its ends more often than between them; none where it may be off.
fn amount(key: &'static Key) -> BoxedStrategy<Option<u64>> {
    let amount = prop_oneof![
        Just(key.least),
        Just(key.most),
        key.least..=key.most,
        key.least..=key.least.saturating_mul(1000).min(key.most)
    ];
    match key.kind.allows_off() {
        true => proptest::option::of(amount).boxed(),
        false => amount.prop_map(Some).boxed(),
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    KEYS.iter().map(amount).collect::<Vec<_>>().prop_map(|amounts| {
        let mut limits = Limits::default();
        for (key, amount) in KEYS.iter().zip(amounts) {
            key.set(&mut limits, key.value(amount));
        }
        limits
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_are_read_as_they_are_shown(mut limits in limits()) {
        limits.fit();
        check_written(&limits);
    }

    #[test]
    fn no_limit_passes_its_ceiling(mut limits in limits(), other in limits()) {
        let mut ceilings = Ceilings::none();
        for key in KEYS {
            let ceiling = key.get(&other);
            key.set_ceiling(&mut ceilings, ceiling.amount.map(|_| ceiling));
        }
        let asked = limits.clone();
        ceilings.lower(&mut limits);
        for key in KEYS {
            let (asked, given) = (key.get(&asked), key.get(&limits));
            if let Some(ceiling) = key.ceiling(&ceilings) {
                assert!(!given.exceeds(&ceiling), "{}", key.name);
            }
            assert!(given == asked || !given.exceeds(&asked), "{} was raised", key.name);
        }
    }
}
