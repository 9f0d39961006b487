//! The clock of a Redis server, by two commands of its protocol: the bus's own driver need not be up for that.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// Unix seconds, if the server is reached without TLS and tells.
pub(super) async fn unix_seconds(url: &Url, patience: Duration) -> Option<i64> {
    let asked = tokio::time::timeout(patience, async {
        let host = url.host_str()?.trim_matches(['[', ']']);
        let mut stream = TcpStream::connect((host, url.port().unwrap_or(6379)))
            .await
            .ok()?;
        let commands = commands(url);
        stream.write_all(commands.as_bytes()).await.ok()?;
        let mut answers = Vec::new();
        loop {
            if let Some(seconds) = read(std::str::from_utf8(&answers).ok()?) {
                return Some(seconds);
            }
            if stream.read_buf(&mut answers).await.ok()? == 0 {
                return None;
            }
        }
    });
    asked.await.ok()?
}

fn commands(url: &Url) -> String {
    let word = |word: &str| format!("${}\r\n{word}\r\n", word.len());
    let time = format!("*1\r\n{}", word("TIME"));
    match (url.username(), url.password()) {
        (_, None) => time,
        ("", Some(password)) => format!("*2\r\n{}{}{time}", word("AUTH"), word(password)),
        (user, Some(password)) => format!(
            "*3\r\n{}{}{}{time}",
            word("AUTH"),
            word(user),
            word(password)
        ),
    }
}

/// `*2`, then the seconds and the microseconds as bulk strings; whatever AUTH was answered stands before.
fn read(answers: &str) -> Option<i64> {
    let (_, time) = answers.split_once("*2\r\n$")?;
    let mut lines = time.split("\r\n");
    lines.next()?;
    let seconds = lines.next()?;
    // The line is whole only when another one follows.
    lines.next()?;
    seconds.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_when_they_are_whole() {
        let whole = "+OK\r\n*2\r\n$10\r\n1790000000\r\n$6\r\n123456\r\n";
        assert_eq!(read(whole), Some(1_790_000_000));
        assert_eq!(read(&whole[..20]), None);
        assert_eq!(read("-NOAUTH\r\n"), None);
    }

    #[test]
    fn a_password_is_given_first() {
        let commands_of = |url: &str| commands(&url.parse().expect("a URL"));
        assert_eq!(commands_of("redis://h"), "*1\r\n$4\r\nTIME\r\n");
        assert_eq!(
            commands_of("redis://:pw@h"),
            "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*1\r\n$4\r\nTIME\r\n"
        );
        assert!(commands_of("redis://u:pw@h").starts_with("*3\r\n"));
    }

    #[tokio::test]
    async fn a_server_on_this_machine_has_our_time() {
        let url = std::env::var("CHATIFY_TEST_REDIS").expect(
            "CHATIFY_TEST_REDIS: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`",
        );
        let url = url.parse().expect("a URL");
        let theirs = unix_seconds(&url, Duration::from_secs(30)).await;
        let ours = service::clock::Clock::System.unix_seconds() as i64;
        assert!(theirs.is_some_and(|theirs| ours.abs_diff(theirs) <= 60));
    }
}
