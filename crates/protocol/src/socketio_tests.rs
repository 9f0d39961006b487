//! The Socket.IO codec: what the protocol's text shows, the hostile packets of past advisories, round trips.

use super::*;
use proptest::prelude::*;

fn event(text: &str) -> (String, Option<u64>, String, Vec<String>, usize) {
    match decode(text).unwrap() {
        Packet::Event {
            namespace,
            ack,
            name,
            args,
            attachments,
        } => (
            namespace.into(),
            ack,
            name.into_owned(),
            args.iter().map(|arg| arg.get().to_owned()).collect(),
            attachments,
        ),
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> PacketError {
    decode(text).unwrap_err()
}

#[test]
fn a_connect_may_carry_auth() {
    let Packet::Connect { namespace, auth } = decode(r#"0/admin,{"token":"123"}"#).unwrap() else {
        panic!()
    };
    assert_eq!(
        (namespace, auth.unwrap().get()),
        ("/admin", r#"{"token":"123"}"#)
    );
    let Packet::Connect { namespace, auth } = decode("0").unwrap() else {
        panic!()
    };
    assert_eq!((namespace, auth.is_none()), ("/", true));
}

#[test]
fn a_namespace_may_end_with_the_packet_and_loses_its_query() {
    assert_eq!(decode("0/custom").unwrap().namespace(), "/custom");
    assert_eq!(decode("0/custom?token=1,").unwrap().namespace(), "/custom");
    assert_eq!(decode("1/custom,").unwrap().namespace(), "/custom");
}

#[test]
fn an_event_keeps_its_arguments_raw() {
    let (namespace, ack, name, args, attachments) = event(r#"2/a,12["say", {"a" : 1.0}, null]"#);
    assert_eq!(
        (namespace.as_str(), ack, name.as_str()),
        ("/a", Some(12), "say")
    );
    assert_eq!(args, [r#"{"a" : 1.0}"#, "null"]);
    assert_eq!(attachments, 0);
}

#[test]
fn an_escaped_name_is_read() {
    assert_eq!(event(r#"2["a\"b"]"#).2, "a\"b");
}

#[test]
fn a_binary_event_names_its_attachments() {
    let text = r#"52-["m",{"_placeholder":true,"num":0},[{"num":1,"_placeholder":true}]]"#;
    assert_eq!(event(text).4, 2);
}

#[test]
fn an_ack_needs_its_id() {
    let Packet::Ack { id, args, .. } = decode(r#"312[1,"b"]"#).unwrap() else {
        panic!()
    };
    assert_eq!((id, args.len()), (12, 2));
    assert_eq!(refused("3[]"), PacketError::AckId);
    assert_eq!(refused("3"), PacketError::Payload);
}

#[test]
fn hostile_packets_are_refused_by_name() {
    use PacketError::*;
    for (text, error) in [
        ("", UnknownType),
        ("9", UnknownType),
        ("abc", UnknownType),
        ("€", UnknownType),
        ("2{}", Payload),
        ("2", Payload),
        ("2[", Payload),
        ("2[]", EventName),
        ("2[1]", EventName),
        ("2[{}]", EventName),
        ("2[[\"a\"]]", EventName),
        ("2[\"\"]", EventName),
        ("2[\"connect\"]", EventName),
        ("2[\"disconnect\"]", EventName),
        ("2[\"a\"]x", Payload),
        ("2abc[\"a\"]", Payload),
        ("2-1[\"a\"]", Payload),
        ("2NaN[\"a\"]", Payload),
        ("29007199254740992[\"a\"]", AckId),
        ("299999999999999999999999[\"a\"]", AckId),
        ("0[]", Payload),
        ("0\"x\"", Payload),
        ("0{", Payload),
        ("01{}", Payload),
        ("1{}", Payload),
        ("4[]", Payload),
        ("5[\"a\"]", Attachments),
        ("51", Attachments),
        ("5-[\"a\"]", Attachments),
        ("50-[\"a\"]", Attachments),
        ("511-[\"a\"]", Attachments),
        ("5999999-[\"a\"]", Attachments),
        ("51.5-[\"a\"]", Attachments),
        ("5+1-[\"a\"]", Attachments),
        (r#"51-["a",{"_placeholder":true,"num":1}]"#, Attachments),
        (r#"51-["a",{"_placeholder":true,"num":-1}]"#, Attachments),
        (r#"51-["a",{"_placeholder":true,"num":"0"}]"#, Attachments),
        (r#"51-["a",{"_placeholder":true,"num":1e300}]"#, Attachments),
        (r#"51-["a",{"_placeholder":true}]"#, Attachments),
        (r#"61-3[{"_placeholder":true,"num":9}]"#, Attachments),
    ] {
        assert_eq!(refused(text), error, "{text}");
    }
}

#[test]
fn a_placeholder_without_attachments_is_plain_data() {
    assert_eq!(event(r#"2["a",{"_placeholder":true,"num":7}]"#).3.len(), 1);
}

#[test]
fn depth_and_lengths_are_bounded() {
    let nested = |depth: usize| format!("2[\"a\",{}1{}]", "[".repeat(depth), "]".repeat(depth));
    assert!(decode(&nested(JSON_DEPTH_MAX - 1)).is_ok());
    assert_eq!(refused(&nested(JSON_DEPTH_MAX)), PacketError::TooDeep);
    assert_eq!(refused(&nested(100_000)), PacketError::TooDeep);
    assert!(decode(&format!("2[\"a\",\"{}\"]", "[".repeat(1000))).is_ok());
    assert_eq!(
        refused(&format!("0/{},", "n".repeat(1_000_000))),
        PacketError::Namespace
    );
    assert!(decode(&format!("2[\"{}\"]", "e".repeat(EVENT_NAME_MAX))).is_ok());
    assert_eq!(
        refused(&format!("2[\"{}\"]", "e".repeat(EVENT_NAME_MAX + 1))),
        PacketError::EventName
    );
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
    .prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn events_come_back_as_they_went(
        namespace in prop_oneof![Just("/".to_owned()), "/[a-z]{1,9}"],
        ack in prop::option::of(0..ACK_ID_MAX),
        name in "[a-z:\"]{1,12}",
        args in prop::collection::vec(json(), 0..4),
    ) {
        let raw: Vec<&RawValue> = args.iter().map(|arg| serde_json::from_str(arg).unwrap()).collect();
        prop_assume!(!RESERVED_EVENTS.contains(&name.as_str()));
        let packet = Packet::Event { namespace: &namespace, ack, name: Cow::Borrowed(&name), args: raw, attachments: 0 };
        prop_assert_eq!(event(&encode(&packet)), (namespace.clone(), ack, name.clone(), args.clone(), 0));
    }

    #[test]
    fn no_text_panics_and_what_is_read_is_written_back_the_same(text in "[0-6][0-9/,\\-]{0,4}[\\[\\]{}\"a-z0-9:,_]{0,30}") {
        if let Ok(packet) = decode(&text) {
            let once = encode(&packet);
            prop_assert_eq!(encode(&decode(&once).unwrap()), once);
        }
    }
}
