//! `chatify health`: asks the process that runs with the same settings whether it is ready. For containers, whose image
//! holds no other program that could ask. Starts nothing and changes nothing.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use service::config::Settings;
use service::process::ProcessConfig;

use crate::Failure;

/// A process that takes longer to say that it is ready is not.
const PATIENCE: Duration = Duration::from_secs(2);
/// Much more than any report; whoever answers with more is not ours.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// What `/readyz` says: an answer when ready, a failure when not.
pub(crate) fn ask(settings: &Settings) -> Result<String, Failure> {
    let config: ProcessConfig = settings.read()?;
    told(reachable(config.admin_listen), PATIENCE)
}

fn told(address: SocketAddr, patience: Duration) -> Result<String, Failure> {
    let answer = answer(address, patience)
        .map_err(|error| Failure::Failed(format!("nobody answers on {address}: {error}")))?;
    let (head, report) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") {
        Ok(report.to_owned())
    } else {
        Err(Failure::Failed(format!("not ready: {}", report.trim_end())))
    }
}

fn answer(address: SocketAddr, patience: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: chatify\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A process that listens everywhere is found on loopback.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listen
}

#[cfg(test)]
mod tests {
    use service::admin::{Admin, serve};
    use service::drain::Drain;
    use service::readiness::Readiness;

    use super::*;

    /// No busy machine fails a test.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let cases = [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("192.0.2.7:9090", "192.0.2.7:9090"),
        ];
        for (listen, expected) in cases {
            assert_eq!(
                reachable(listen.parse().unwrap()),
                expected.parse().unwrap()
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn health_is_what_the_admin_listener_says() {
        let drain = Drain::new();
        let readiness = Readiness::new(drain.clone());
        let admin = Admin {
            readiness: readiness.clone(),
            metrics: service::metrics::install().unwrap(),
        };
        let address = serve("127.0.0.1:0".parse().unwrap(), admin, &drain)
            .await
            .unwrap();
        let asked = || tokio::task::block_in_place(|| told(address, LONG));

        let store = readiness.register("store");
        let Err(Failure::Failed(why)) = asked() else {
            panic!("a failing check is no health");
        };
        assert!(why.contains("\"store\""), "{why}");
        store.pass();
        assert!(asked().is_ok_and(|report| report.contains("\"ready\":true")));
        drain.leave("a test");
        assert!(asked().is_err(), "who leaves wants no more traffic");
    }

    #[test]
    fn nobody_there_is_told_with_the_address() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let Err(Failure::Failed(why)) = told(address, LONG) else {
            panic!("nobody is not well");
        };
        assert!(why.contains(&address.to_string()), "{why}");
    }
}
