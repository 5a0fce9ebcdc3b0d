//! What differs for a connection whose instance serves others too: calls that are handed over together, and an instance
//! that is lost to somebody else's event.

use super::*;

fn burst(rules: &mut Rules) -> Vec<Call> {
    std::iter::from_fn(|| rules.session.next_in_burst()).collect()
}

#[test]
fn what_waits_goes_with_the_running_call() {
    let mut rules = Rules::new();
    rules.step(Event::Message(text("1")));
    assert_eq!(rules.actions(), [Action::Call(Call::Open)]);
    // Nothing goes with `open`, which may yet fail.
    assert_eq!(burst(&mut rules), []);
    rules
        .step(Event::Message(text("2")))
        .step(Event::Ping(Bytes::from_static(b"p")))
        .step(Event::Returned(Returned::Done));
    assert_eq!(rules.actions(), [call_message("1")]);
    assert_eq!(burst(&mut rules), [Call::Message(text("2")), Call::Ping(Bytes::from_static(b"p"))]);
    assert_eq!(rules.session.held_bytes(), 3);
    rules.step(Event::Disconnected).step(Event::Returned(Returned::Done));
    assert_eq!(rules.session.held_bytes(), 0);
    assert_eq!(rules.actions(), [Action::Abort, call_close(None, CloseCause::Network)]);
    assert_eq!(burst(&mut rules), []);
}

#[test]
fn a_burst_has_its_bounds_in_bytes() {
    let mut rules = Rules::opened();
    let large = || Event::Message(Message::Binary(vec![0; 40 * 1024].into()));
    rules.step(large()).step(large());
    assert_eq!(rules.actions().len(), 1);
    assert_eq!(burst(&mut rules).len(), 1);
    rules.step(large());
    assert_eq!(burst(&mut rules), []);
}

#[test]
fn an_instance_that_is_lost_closes_its_idle_connections() {
    let mut rules = Rules::opened();
    rules.step(Event::InstanceLost);
    assert_eq!(rules.actions(), [send_close(1011, "the handler trapped")]);
    rules.step(Event::CloseFrame(None));
    // Never called again, not even for the end.
    assert_eq!(rules.actions(), []);
    assert!(rules.session.is_over());
}

#[test]
fn a_call_that_waited_for_a_lost_instance_returns_too() {
    let mut rules = Rules::opened();
    rules.step(Event::Message(text("1"))).step(Event::Message(text("2")));
    assert_eq!(rules.actions(), [call_message("1")]);
    rules.step(Event::InstanceLost);
    assert_eq!(rules.actions(), [send_close(1011, "the handler trapped")]);
    rules.step(Event::Returned(Returned::Trapped)).step(Event::Disconnected);
    assert_eq!(rules.actions(), [Action::Abort]);
    assert!(rules.session.is_over());
}
