//! Peers that want to use the host up (FAULTS.md R01 to R10), with innocent connections beside them.

mod drops;
mod floods;
mod rates;
mod slowness;

use crate::support::host::Builder;
use crate::support::{TestHost, guests};

/// The host under attack at `/`, and an echo for the canary at `/echo`.
fn probe() -> Builder {
    echo().and_serving("guest", guests::PROBE).limit("log_lines", "10000")
}

fn echo() -> Builder {
    TestHost::serving(guests::ECHO).name("canary").route("/echo").host("metrics = \"127.0.0.1:0\"")
}

/// How often a limit of the attacked deployment was counted.
fn hits(limit: &str) -> String {
    format!("whimbrel_limits_hit_total{{deployment=\"guest\",limit=\"{limit}\"}}")
}
