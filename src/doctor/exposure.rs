//! Who can reach what, and whom we believe. Pure.

use super::finding::Finding;
use super::view::{Reach, View};

pub(crate) fn checks(view: &View) -> Vec<Finding> {
    vec![
        https(view),
        origins(view),
        admin(view),
        proxies(view),
        limits(view),
        mailbox(view),
    ]
}

fn https(view: &View) -> Finding {
    if view.https {
        Finding::ok("https", "clients come by HTTPS, which ends in front")
    } else if view.is_public() {
        Finding::wrong(
            "https",
            format!(
                "`listen` is {}, and tokens travel in the clear",
                view.listen
            ),
            "end TLS at a proxy in front and set https=on, or listen on 127.0.0.1",
        )
    } else {
        Finding::ok("https", "off, and only this machine can connect")
    }
}

fn origins(view: &View) -> Finding {
    let plain = |origin: &&String| {
        origin.starts_with("http://")
            && !origin.starts_with("http://localhost")
            && !origin.starts_with("http://127.")
    };
    if view.origins.iter().any(|origin| origin.contains('*')) {
        Finding::wrong(
            "origins",
            "`*` lets every page of the web call with its visitors' cookies",
            "name each origin, exactly as browsers send it: https://chat.example",
        )
    } else if let Some(origin) = view.origins.iter().find(plain) {
        let told = format!("{origin} can be forged by whoever is on the line");
        let mend = "serve that page by https: and name it so";
        if view.https {
            Finding::wrong("origins", told, mend)
        } else {
            Finding::warn("origins", told, mend)
        }
    } else {
        Finding::ok(
            "origins",
            match view.origins.len() {
                0 => "our own alone".to_owned(),
                count => format!("our own and {count} more"),
            },
        )
    }
}

fn admin(view: &View) -> Finding {
    let address = view.admin_listen;
    let told = format!("health and metrics without a password at {address}");
    match Reach::of(address.ip()) {
        Reach::Machine => Finding::ok("admin listener", told),
        Reach::Network => Finding::warn(
            "admin listener",
            told,
            "let only probes and the scraper through to this port, or admin-listen=127.0.0.1:9090",
        ),
        Reach::Internet => Finding::wrong(
            "admin listener",
            told,
            "admin-listen on a private or loopback address",
        ),
    }
}

fn proxies(view: &View) -> Finding {
    let too_wide = |network: &&String| {
        let (address, prefix) = network.split_once('/').unwrap_or((network, "128"));
        let least = if address.contains(':') { 32 } else { 8 };
        prefix.parse::<u8>().is_ok_and(|prefix| prefix < least)
    };
    if let Some(network) = view.trusted_proxies.iter().find(too_wide) {
        return Finding::wrong(
            "trusted proxies",
            format!("{network} lets strangers choose the address that limits and logs see"),
            "name the proxies' own addresses in trusted-proxies",
        );
    }
    if view.https && view.trusted_proxies.is_empty() {
        return Finding::warn(
            "trusted proxies",
            "none, though a proxy is in front: all clients have its address, and share its limits",
            "name the proxy in trusted-proxies",
        );
    }
    Finding::ok(
        "trusted proxies",
        format!("{} named", view.trusted_proxies.len()),
    )
}

fn limits(view: &View) -> Finding {
    let mend = "limits=on (the default)";
    match (view.limits, view.is_public()) {
        (true, _) => Finding::ok("rate limits", "on"),
        (false, false) => Finding::warn("rate limits", "off, and only this machine connects", mend),
        (false, true) => Finding::wrong(
            "rate limits",
            "off, where strangers connect: codes can be guessed and mailboxes flooded",
            mend,
        ),
    }
}

fn mailbox(view: &View) -> Finding {
    if !view.smtp.is_empty() {
        Finding::ok("dev mailbox", "there is none: mails go out by SMTP")
    } else if view.is_public() && view.is_embedded() {
        Finding::wrong(
            "dev mailbox",
            "whoever reaches /dev/mail can sign in as anybody",
            "set mail.smtp and mail.from, and check with `chatify mail test ADDRESS`",
        )
    } else {
        Finding::ok("dev mailbox", "only this machine can open it")
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::super::view::sample;
    use super::*;

    fn levels(change: impl FnOnce(&mut View)) -> Vec<Level> {
        let mut view = sample();
        change(&mut view);
        checks(&view).iter().map(|finding| finding.level).collect()
    }

    const FINE: [Level; 6] = [Level::Ok; 6];

    #[test]
    fn the_defaults_are_fine() {
        assert_eq!(levels(|_| {}), FINE);
    }

    #[test]
    fn a_public_listener_needs_https_and_real_mail_and_limits() {
        let found = levels(|view| {
            view.listen = "0.0.0.0:8080".parse().expect("an address");
            view.limits = false;
        });
        assert_eq!([found[0], found[4], found[5]], [Level::Wrong; 3]);
    }

    #[test]
    fn origins_are_exact_and_secure() {
        let with = |origin: &str, https| {
            levels(|view| {
                view.origins = vec![origin.to_owned()];
                view.https = https;
            })[1]
        };
        assert_eq!(with("*", false), Level::Wrong);
        assert_eq!(with("https://*.example", false), Level::Wrong);
        assert_eq!(with("http://chat.example", true), Level::Wrong);
        assert_eq!(with("http://localhost:5173", true), Level::Ok);
        assert_eq!(with("https://chat.example", true), Level::Ok);
    }

    #[test]
    fn the_admin_listener_is_not_for_the_internet() {
        let at = |address: &str| {
            levels(|view| view.admin_listen = address.parse().expect("an address"))[2]
        };
        assert_eq!(at("10.0.0.5:9090"), Level::Warn);
        assert_eq!(at("0.0.0.0:9090"), Level::Warn);
        assert_eq!(at("198.51.100.7:9090"), Level::Wrong);
    }

    #[test]
    fn proxies_are_few() {
        let with = |network: &str| {
            levels(|view| {
                view.https = true;
                view.trusted_proxies = vec![network.to_owned()];
            })[3]
        };
        assert_eq!(with("0.0.0.0/0"), Level::Wrong);
        assert_eq!(with("::/0"), Level::Wrong);
        assert_eq!(with("10.0.0.0/8"), Level::Ok);
        assert_eq!(with("192.0.2.1"), Level::Ok);
        assert_eq!(levels(|view| view.https = true)[3], Level::Warn);
    }
}
