//! J1 and J2: what a token may not be. `jsonwebtoken` plays the other side, so that we do not only agree with ourselves.

use jsonwebtoken::{Algorithm, EncodingKey, Header as JwtHeader};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;
const SEED: [u8; 32] = [7; 32];

fn signer() -> Signer {
    Signer::from_seed("k1", &SEED).unwrap()
}

fn keys() -> KeySet {
    KeySet::new("chatify", "chatify")
        .with("k1", signer().public())
        .unwrap()
}

fn claims() -> Claims {
    Claims {
        iss: "chatify".into(),
        aud: "chatify".into(),
        sub: UserId(Uuid::from_u128(1)),
        sid: SessionId(Uuid::from_u128(2)),
        jti: Uuid::from_u128(3),
        iat: NOW,
        exp: NOW + 600,
        nbf: None,
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with a right signature over whatever header and payload.
fn forged(header: &Value, payload: &str) -> String {
    let signed = format!("{}.{}", part(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = signer().key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with(name: &str, value: &str) -> String {
    let mut fields: Vec<String> = match serde_json::to_value(claims()).unwrap() {
        Value::Object(map) => map
            .into_iter()
            .filter(|(key, _)| key != name)
            .map(|(key, value)| format!("{}:{value}", json!(key)))
            .collect(),
        _ => unreachable!("claims are an object"),
    };
    fields.push(format!("{}:{value}", json!(name)));
    signer().sign_json(&format!("{{{}}}", fields.join(",")))
}

#[test]
fn a_signed_token_says_what_was_signed() {
    let token = signer().sign(&claims());
    assert_eq!(verify(&token, &keys(), NOW), Ok(claims()));
    assert!(token.len() * 3 <= TOKEN_BYTES_MAX + 200, "{}", token.len());
}

#[test]
fn a_token_made_by_another_library_is_the_same_token() {
    let pkcs8 = signer().key.to_pkcs8v1().unwrap();
    let mut header = JwtHeader::new(Algorithm::EdDSA);
    header.typ = Some("at+jwt".into());
    header.kid = Some("k1".into());
    let key = EncodingKey::from_ed_der(pkcs8.as_ref());
    let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    assert_eq!(verify(&token, &keys(), NOW), Ok(claims()));
}

#[test]
fn another_library_believes_our_tokens() {
    let key =
        jsonwebtoken::DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(signer().public()))
            .unwrap();
    let mut rules = jsonwebtoken::Validation::new(Algorithm::EdDSA);
    rules.set_audience(&["chatify"]);
    rules.set_issuer(&["chatify"]);
    rules.validate_exp = false; // it would read the machine's clock
    let token = signer().sign(&claims());
    let read = jsonwebtoken::decode::<Claims>(&token, &key, &rules).unwrap();
    assert_eq!(read.claims, claims());
}

/// J1: one algorithm, one type, one way to name a key.
#[test]
fn every_header_but_ours_is_refused() {
    let payload = serde_json::to_string(&claims()).unwrap();
    let good = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"});
    assert!(verify(&forged(&good, &payload), &keys(), NOW).is_ok());
    let mut bad: Vec<Value> = Vec::new();
    for alg in [
        "none", "None", "NONE", "", "HS256", "HS512", "RS256", "ES256", "PS256", "eddsa", "Ed25519",
    ] {
        bad.push(json!({"alg": alg, "typ": "at+jwt", "kid": "k1"}));
    }
    for typ in [
        "JWT",
        "jwt",
        "AT+JWT",
        "application/at+jwt",
        "",
        "logout+jwt",
    ] {
        bad.push(json!({"alg": "EdDSA", "typ": typ, "kid": "k1"}));
    }
    for kid in [
        "k2",
        "",
        "../../dev/null",
        "k1' OR '1'='1",
        "k1\u{0}",
        "http://evil/jwks",
    ] {
        bad.push(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}));
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jku", json!("https://evil.test/jwks.json")),
        ("x5u", json!("https://evil.test/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})),
        ("zip", json!("DEF")),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
    ] {
        let mut header = good.clone();
        header[name] = value;
        bad.push(header);
    }
    bad.extend([
        json!({"typ": "at+jwt", "kid": "k1"}),
        json!({"alg": "EdDSA", "kid": "k1"}),
        json!({"alg": "EdDSA", "typ": "at+jwt"}),
        json!({"alg": null, "typ": "at+jwt", "kid": "k1"}),
        json!({"alg": ["EdDSA"], "typ": "at+jwt", "kid": "k1"}),
        json!(["EdDSA", "at+jwt", "k1"]),
        json!("EdDSA"),
    ]);
    for header in bad {
        let token = forged(&header, &payload);
        assert_eq!(
            verify(&token, &keys(), NOW),
            Err(TokenRefused::Invalid),
            "{header}"
        );
    }
}

/// J1: the public key is no HMAC secret, and an unsigned token is no token.
#[test]
fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    let mut header = JwtHeader::new(Algorithm::HS256);
    header.typ = Some("at+jwt".into());
    header.kid = Some("k1".into());
    let key = EncodingKey::from_secret(signer().public());
    let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    assert_eq!(verify(&token, &keys(), NOW), Err(TokenRefused::Invalid));
    // The same signature under our own header.
    let (_, signature) = token.rsplit_once('.').unwrap();
    let ours = signer().sign(&claims());
    let (signed, _) = ours.rsplit_once('.').unwrap();
    for signature in [signature, "", "AA", &"A".repeat(86), &"_".repeat(86)] {
        let token = format!("{signed}.{signature}");
        assert_eq!(
            verify(&token, &keys(), NOW),
            Err(TokenRefused::Invalid),
            "{signature}"
        );
    }
}

/// J1: no bit of a token can be changed, and no second spelling of it is accepted.
#[test]
fn a_token_has_one_spelling() {
    let token = signer().sign(&claims());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(
            verify(&changed, &keys(), NOW),
            Err(TokenRefused::Invalid),
            "byte {at}"
        );
    }
    for other in [
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}."),
        format!(".{token}"),
        token.replace('.', ".."),
        token.replacen('.', "", 1),
        "..".into(),
        ".".into(),
        "x".into(),
        "A".repeat(TOKEN_BYTES_MAX + 1),
    ] {
        assert_eq!(
            verify(&other, &keys(), NOW),
            Err(TokenRefused::Invalid),
            "{other}"
        );
    }
    assert_eq!(verify("", &keys(), NOW), Err(TokenRefused::Missing));
}

/// A reader of published keys tells a token of a newer key from one that is wrong anyway.
#[test]
fn a_token_of_another_key_is_told_from_one_that_is_no_token() {
    let token = signer().sign(&claims());
    let newer = Signer::from_seed("k2", &[9; 32]).unwrap().sign(&claims());
    assert!(keys().lacks_key_of(&newer));
    for other in [&token, "", "x", "..", &"A".repeat(TOKEN_BYTES_MAX + 1)] {
        assert!(!keys().lacks_key_of(other), "{other}");
    }
}

/// J2: times and names have their type and no other (CVE-2026-25537).
#[test]
fn a_claim_of_a_wrong_type_is_refused() {
    let wrong_times = [
        "\"1800000600\"",
        "1800000600.5",
        "1.8000006e9",
        "null",
        "-1",
        "1e400",
        "[]",
        "{}",
        "true",
        "[1800000600]",
        "18446744073709551616",
        "9999999999999",
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in wrong_times {
            let token = with(name, value);
            assert_eq!(
                verify(&token, &keys(), NOW),
                Err(TokenRefused::Invalid),
                "{name}: {value}"
            );
        }
    }
    for name in ["aud", "iss", "sub", "sid", "jti"] {
        for value in [
            "null",
            "1",
            "\"\"",
            "\"other\"",
            "[\"chatify\"]",
            "{\"$ne\":null}",
            "true",
        ] {
            let token = with(name, value);
            assert_eq!(
                verify(&token, &keys(), NOW),
                Err(TokenRefused::Invalid),
                "{name}: {value}"
            );
        }
    }
}

/// J2: what is required is there, and once.
#[test]
fn a_claim_that_is_missing_or_doubled_is_refused() {
    let whole = serde_json::to_value(claims()).unwrap();
    for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
        let mut less = whole.clone();
        less.as_object_mut().unwrap().remove(name);
        let token = signer().sign_json(&less.to_string());
        assert_eq!(
            verify(&token, &keys(), NOW),
            Err(TokenRefused::Invalid),
            "without {name}"
        );
    }
    let text = whole.to_string();
    let doubled = format!("{},\"exp\":{}}}", &text[..text.len() - 1], NOW + 9_999);
    assert_eq!(
        verify(&signer().sign_json(&doubled), &keys(), NOW),
        Err(TokenRefused::Invalid)
    );
    for payload in ["", "{", "null", "[]", "\u{feff}{}", "{} {}"] {
        let token = signer().sign_json(payload);
        assert_eq!(
            verify(&token, &keys(), NOW),
            Err(TokenRefused::Invalid),
            "{payload}"
        );
    }
}

/// J2 and H20: five seconds of leeway and not one more, in both directions.
#[test]
fn a_token_ends_when_it_says_and_begins_when_it_says() {
    let token = signer().sign(&claims());
    assert!(verify(&token, &keys(), NOW + 604).is_ok());
    assert_eq!(
        verify(&token, &keys(), NOW + 605),
        Err(TokenRefused::Expired)
    );
    assert!(verify(&token, &keys(), NOW - 5).is_ok());
    assert_eq!(verify(&token, &keys(), NOW - 6), Err(TokenRefused::Invalid));
    let later = with("nbf", &(NOW + 100).to_string());
    assert_eq!(
        verify(&later, &keys(), NOW + 94),
        Err(TokenRefused::Invalid)
    );
    assert!(verify(&later, &keys(), NOW + 95).is_ok());
}

/// J4: a key that was taken out opens nothing any more; two keys live side by side.
#[test]
fn tokens_of_two_keys_are_believed_while_both_are_in_the_set() {
    let next = Signer::from_seed("k2", &[8; 32]).unwrap();
    let both = keys().with("k2", next.public()).unwrap();
    assert!(verify(&signer().sign(&claims()), &both, NOW).is_ok());
    assert!(verify(&next.sign(&claims()), &both, NOW).is_ok());
    let only_new = KeySet::new("chatify", "chatify")
        .with("k2", next.public())
        .unwrap();
    assert_eq!(
        verify(&signer().sign(&claims()), &only_new, NOW),
        Err(TokenRefused::Invalid)
    );
    // A key under another's name is another key.
    let swapped = KeySet::new("chatify", "chatify")
        .with("k1", next.public())
        .unwrap();
    assert_eq!(
        verify(&signer().sign(&claims()), &swapped, NOW),
        Err(TokenRefused::Invalid)
    );
}

#[test]
fn neither_a_signer_nor_a_bad_key_shows_a_secret() {
    let shown = format!("{:?} {:?}", signer(), keys());
    assert!(shown.contains("***") && !shown.contains("7, 7"), "{shown}");
    assert!(Signer::from_seed("k", &[1; 31]).is_err());
    assert!(KeySet::new("a", "b").with("k", &[1; 31]).is_err());
}
