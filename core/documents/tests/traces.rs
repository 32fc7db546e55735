//! A real conversation of two people in one text, through two devices.
use stunity_test_support::traces;

#[test]
fn two_devices_end_in_the_text_that_the_trace_ends_in() {
    let Some(trace) = traces::load("friendsforever.concurrent.json.gz") else {
        return;
    };
    for text in traces::type_on_two_devices(&trace) {
        assert!(text == trace.end, "another text than the trace ends in");
    }
}
