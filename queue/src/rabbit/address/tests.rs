use super::*;

fn read(text: &str) -> RabbitAddress {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn an_address_is_read_as_rabbitmq_has_it() {
    let address = read("amqp://bow:se%2fcret@broker.example:5673/merge%2fs");
    let authority = &address.uri().authority;
    assert_eq!((address.user(), authority.userinfo.password.as_str()), ("bow", "se/cret"));
    assert_eq!((address.host(), authority.port, address.vhost()), ("broker.example", 5673, "merge/s"));
    assert!(!address.is_encrypted());
}

#[test]
fn what_is_left_out_is_as_rabbitmq_has_it() {
    let address = read("amqp://localhost");
    let authority = &address.uri().authority;
    assert_eq!((address.user(), authority.userinfo.password.as_str()), ("guest", "guest"));
    assert_eq!((authority.port, address.vhost()), (5672, "/"));
    assert_eq!(read("amqp://localhost/%2F").vhost(), "/");
    assert_eq!(address.uri().query.heartbeat, Some(20));
    let encrypted = read("amqps://localhost");
    assert!(encrypted.is_encrypted());
    assert_eq!(encrypted.uri().authority.port, 5671);
}

#[test]
fn an_ipv6_host_stands_in_brackets() {
    assert_eq!(read("amqp://[::1]:5672").host(), "::1");
    assert_eq!(read("amqp://[::1]:5672").to_string(), "amqp://[::1]:5672");
}

#[test]
fn parameters_of_the_connection_may_follow() {
    let query = read("amqp://h?heartbeat=5&connection_timeout=1500&frame_max=8192&channel_max=7").uri().query.clone();
    assert_eq!((query.heartbeat, query.connection_timeout), (Some(5), Some(1500)));
    assert_eq!((query.frame_max, query.channel_max), (Some(8192), Some(7)));
}

#[test]
fn no_password_is_shown() {
    for text in ["amqp://bow:hunter2@h:1/v", "amqps://:hunter2@h", "amqp://bow:hunter2@h/v?heartbeat=3"] {
        let address = read(text);
        let shown = format!("{address} {address:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(read("amqp://bow:hunter2@h:1/v%2f?heartbeat=3").to_string(), "amqp://bow@h:1/v%2f");
}

#[test]
fn a_wrong_address_is_refused_with_what_to_do_and_without_the_password() {
    for (text, message) in [
        ("broker:5672", "begins with `broker:`"),
        ("localhost", "is not a URL"),
        ("http://bow:hunter2@h", "begins with `http:`"),
        ("amqp://", "names no host"),
        ("amqp:///v", "names no host"),
        ("amqp://bow:hun/ter2@h", "reserved characters percent-encoded"),
        ("amqp://bow:hunter2@h/", "leave the slash out"),
        ("amqp://bow:hunter2@h/a/b", "as `%2f`"),
        ("amqp://bow:1#hunter2@h", "write it as `%23`"),
        ("amqp://bow:12/hunter2@h", "percent-encode `/` as `%2f`"),
        ("amqp://bow:12/hunter2@h/v?heartbeat=3", "percent-encode `/` as `%2f`"),
        ("amqp://bow:12?hunter2@h", "percent-encode `/` as `%2f`"),
        ("amqp://bow:12?heartbeat=hunter2@h", "percent-encode `/` as `%2f`"),
        ("amqp://bow/x:hunter2@h", "percent-encode `/` as `%2f`"),
        ("amqp://bow:p@h/hunter2@h", "percent-encode `/` as `%2f`"),
        ("amqp://bow:hunter%ff2@h", "the password in the queue's address is not UTF-8"),
        ("amqp://h?heartbeats=1", "the parameter `heartbeats`"),
        ("amqp://h?heartbeat=70000", "`heartbeat` in the queue's address is `70000`"),
    ] {
        let error = text.parse::<RabbitAddress>().expect_err(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
        assert!(!error.contains("hunter") && !error.contains("ter2"), "{text}: {error}");
    }
}
