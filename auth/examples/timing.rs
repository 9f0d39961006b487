//! O7: does the time of an answer tell who has an account? Asks for codes for a known, an unknown and a limited address in
//! turn and compares the times (Mann-Whitney U, two-sided). A measurement for people, not a test: `--release`, quiet machine.
//!
//! usage: cargo run --release -p auth --example timing [REQUESTS]

#![allow(clippy::print_stdout, reason = "a tool for people")]

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use auth::{Auth, AuthConfig, Ports};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use bus::limits_local::LocalLimiter;
use bus::mail::{MailQueue, Settlement};
use bus::mail_local::LocalMailQueue;
use protocol::ids::UserId;
use protocol::time::Timestamp;
use protocol::user::User;
use service::clock::Clock;
use service::config::{Catalogue, Flags};
use service::drain::Drain;
use service::http::ClientAddress;
use tower::ServiceExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let requests: usize = std::env::args()
        .nth(1)
        .map_or(Ok(5_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let store = store::open(&format!(
        "sqlite:{}",
        folder.path().join("timing.db").display()
    ))
    .await?;
    for n in 0..requests {
        let user = User {
            id: UserId(uuid::Uuid::from_u128(n as u128 + 1)),
            display_name: "Known".into(),
            avatar_url: None,
            created_at: Timestamp(0),
        };
        store
            .user_by_email(format!("known{n}@example.com"), user)
            .await?;
    }
    let queue: Arc<dyn MailQueue> = Arc::new(LocalMailQueue::new());
    let settings = [
        ("CHATIFY_AUTH_SENDS_PER_ADDRESS", "1000000"),
        ("CHATIFY_AUTH_SENDS_PER_MINUTE", "1000000"),
    ];
    let variables = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config: AuthConfig = Catalogue::new()
        .with::<AuthConfig>()
        .load(Flags::default(), variables)?
        .read()?;
    let ports = Ports {
        store,
        mail: Arc::clone(&queue),
        limiter: Arc::new(LocalLimiter::new()),
        cut: Arc::new(|_, _| {}),
        clock: Clock::System,
        data: Some(folder.path().to_owned()),
        limits: true,
    };
    let auth = Auth::open(config, ports).await?;
    let drain = Drain::new();
    auth::run(&auth, &drain);
    let mut consumer = queue.consume(64);
    drain.spawn_background("mailbox", async move {
        while let Some(delivery) = consumer.next().await {
            if delivery.settle(Settlement::Ack).await.is_err() {
                return;
            }
        }
    });

    let router = auth::router(auth);
    let mut times: [Vec<f64>; 3] = Default::default();
    for n in 0..requests {
        // In turn, so that whatever the machine does meets all alike; who is first changes.
        for place in 0..3 {
            let kind = (n + place) % 3;
            let email = match kind {
                0 => format!("known{n}@example.com"),
                1 => format!("other{n}@example.com"),
                _ => "limited@example.com".to_owned(),
            };
            times[kind].push(asked(&router, &email).await?);
        }
    }
    println!("{requests} requests each, time of POST /v1/auth/otp in microseconds");
    for (name, times) in ["known", "unknown", "limited"].iter().zip(&times) {
        println!(
            "  {name:8} median {:8.1}  p99 {:8.1}",
            quantile(times, 0.5),
            quantile(times, 0.99)
        );
    }
    for (name, a, b) in [("known / unknown", 0, 1), ("known / limited", 0, 2)] {
        let apart = (quantile(&times[a], 0.5) - quantile(&times[b], 0.5)).abs();
        println!(
            "  {name}: p = {:.3}, medians {apart:.1} us apart (wanted: p > 0.01, < 1000 us)",
            p_value(&times[a], &times[b])
        );
    }
    Ok(())
}

async fn asked(router: &Router, email: &str) -> Result<f64, Box<dyn Error>> {
    let body = format!("{{\"email\":\"{email}\",\"intent\":\"login\"}}");
    let mut request = Request::post("/v1/auth/otp")
        .header("content-type", "application/json")
        .body(Body::from(body))?;
    request
        .extensions_mut()
        .insert(ClientAddress(IpAddr::from([192, 0, 2, 1])));
    let began = Instant::now();
    let status = router.clone().oneshot(request).await?.status();
    let took = began.elapsed().as_secs_f64() * 1e6;
    if status != 202 {
        Err(format!("{email}: {status}").into())
    } else {
        Ok(took)
    }
}

fn quantile(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len().saturating_sub(1)) as f64 * share;
    sorted.get(place as usize).copied().unwrap_or(0.0)
}

/// Mann-Whitney U by its normal approximation; ties hardly occur among nanoseconds.
fn p_value(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = a
        .iter()
        .map(|t| (*t, true))
        .chain(b.iter().map(|t| (*t, false)))
        .collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let ranks: f64 = all
        .iter()
        .enumerate()
        .filter(|(_, (_, of_a))| *of_a)
        .map(|(i, _)| (i + 1) as f64)
        .sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    let z = (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    2.0 * upper_tail(z.abs())
}

/// 1 - Φ(z), Abramowitz and Stegun 26.2.17; good to 1e-7.
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly
}
