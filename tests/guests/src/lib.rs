//! The paths of the guests under test, as constants; and what the guests share.

pub mod query;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
