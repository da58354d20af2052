use super::*;

#[test]
fn the_timeout_of_keep_alive_is_read_wherever_it_stands() {
    let read = |text: &'static str| timeout(&HeaderValue::from_static(text)).map(|timeout| timeout.as_secs());
    assert_eq!(read("timeout=5, max=100"), Some(5));
    assert_eq!(read("max=100, Timeout = 15"), Some(15));
    assert_eq!([read("max=100"), read("timeout=soon"), read("timeout=-1"), read("timeout")], [None; 4]);
}
