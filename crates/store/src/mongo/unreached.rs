//! What the driver says when it found no server to ask, in one line for the operator: each server with what is the
//! matter with it, and what to do where the words do not tell. Pure; nothing is decided by these texts.

/// Its description of all that it knows, cut down to what helps. A text of another form is left as it is.
pub(super) fn told(message: &str) -> String {
    let servers: Vec<String> = message
        .split("{ Address: ")
        .skip(1)
        .filter_map(server)
        .collect();
    if servers.is_empty() {
        return message.into();
    }
    format!("no primary: {}", servers.join("; "))
}

/// `HOST:PORT, Type: KIND, Error: Kind: WHY, labels: {…}, … }`, or without an error.
fn server(text: &str) -> Option<String> {
    let (address, rest) = text.split_once(", Type: ")?;
    let why = rest
        .split_once(", Error: Kind: ")
        .and_then(|(_, error)| error.split(", labels: {").next());
    Some(match why {
        Some(why) => format!("{address}: {why}{}", advice(why)),
        // A secondary, or one that has not answered yet.
        None => format!("{address}: {}", rest.split([',', ' ']).next()?),
    })
}

fn advice(why: &str) -> &'static str {
    // The second is said of an authority that has the right name and another key.
    if why.contains("UnknownIssuer") || why.contains("BadSignature") {
        " (the authority of its certificate is not known; name your own with tlsCAFile=PATH in the URL)"
    } else if why.contains("NotValidForName") || why.contains("not valid for name") {
        " (its certificate is for another name; the names in the URL and those that the replica set gives its members \
         must stand in their certificates)"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_told_with_its_fault() {
        let said = "Server selection timeout: No available servers. Topology: { Type: ReplicaSetNoPrimary, Set Name: rs, \
            Servers: [ { Address: a:1, Type: Unknown, Error: Kind: I/O error: timed out, labels: {\"X\"}, source: None, \
            server response: None }, { Address: b:2, Type: RsSecondary, Average RTT: 1ms }, { Address: c:3, Type: Unknown } ] }";
        assert_eq!(
            told(said),
            "no primary: a:1: I/O error: timed out; b:2: RsSecondary; c:3: Unknown"
        );
    }

    #[test]
    fn words_of_another_form_are_kept() {
        for said in ["", "something else", "{ Address: nowhere"] {
            assert_eq!(told(said), said);
        }
    }
}
