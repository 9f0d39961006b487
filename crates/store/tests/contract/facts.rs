//! Codes, mails, kept answers, keys and secrets: what may happen once happens once.

use protocol::ids::ChallengeId;
use store::{ChallengeRow, KeptAnswer, KeyRow, MailJobRow, MailState, StoreError};

use crate::fixtures::*;

const DAY: i64 = 24 * 60 * 60 * 1_000;

fn mail(id: &str) -> MailJobRow {
    MailJobRow {
        id: id.into(),
        job: format!("{{\"id\":{id:?}}}"),
        expires_at: at(600_000),
    }
}

fn challenge() -> ChallengeRow {
    ChallengeRow {
        id: ChallengeId(fresh()),
        email: "ada@example.org".into(),
        secret_hash: [1; 32],
        code_mac: [2; 32],
        issue: 1,
        attempts: 0,
        issued_at: at(0),
        expires_at: at(600_000),
        used_at: None,
        mail: MailState::Queued,
    }
}

async fn asked(store: &Handle, job: &str) -> ChallengeRow {
    let row = challenge();
    assert_eq!(store.create_challenge(row.clone(), mail(job)).await, Ok(()));
    row
}

pub(crate) async fn of_a_hundred_uses_of_a_code_one_succeeds(store: Handle) {
    let row = asked(&store, "a").await;
    assert_eq!(store.challenge(row.id).await, Ok(row.clone()));
    let answers = at_once(100, &store, |store, caller| async move {
        store.use_challenge(row.id, at(caller as i64)).await
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok(()) | Err(StoreError::Conflict)))
    );
    let winner = answers.iter().position(Result::is_ok).unwrap() as i64;
    assert_eq!(
        store.challenge(row.id).await.unwrap().used_at,
        Some(at(winner))
    );
    assert_eq!(
        store.count_guess(row.id, 1, 5).await,
        Err(StoreError::Conflict),
        "no guess after the use"
    );
    let unknown = ChallengeId(fresh());
    assert_eq!(
        store.use_challenge(unknown, at(0)).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(store.challenge(unknown).await, Err(StoreError::NotFound));
}

pub(crate) async fn no_more_guesses_are_counted_than_allowed(store: Handle) {
    let row = asked(&store, "a").await;
    let answers = at_once(100, &store, |store, _| async move {
        store.count_guess(row.id, 1, 5).await
    })
    .await;
    let mut counted: Vec<_> = answers.iter().flatten().map(|row| row.attempts).collect();
    counted.sort_unstable();
    assert_eq!(counted, [1, 2, 3, 4, 5]);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok(_) | Err(StoreError::Conflict)))
    );
    assert_eq!(store.challenge(row.id).await.unwrap().attempts, 5);
    assert_eq!(
        store.count_guess(ChallengeId(fresh()), 1, 5).await,
        Err(StoreError::NotFound)
    );
}

pub(crate) async fn a_new_code_voids_the_old_one(store: Handle) {
    let row = asked(&store, "first").await;
    store.count_guess(row.id, 1, 5).await.unwrap();
    let next = ChallengeRow {
        code_mac: [9; 32],
        issue: 2,
        issued_at: at(7),
        expires_at: at(700_000),
        ..row.clone()
    };
    assert_eq!(
        store
            .reissue_challenge(next.clone(), 1, mail("second"))
            .await,
        Ok(())
    );
    assert_eq!(
        store
            .reissue_challenge(next.clone(), 1, mail("third"))
            .await,
        Err(StoreError::Conflict)
    );
    assert_eq!(
        store.challenge(row.id).await,
        Ok(next.clone()),
        "its guesses start at none"
    );
    assert_eq!(
        store.count_guess(row.id, 1, 5).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(store.count_guess(row.id, 2, 5).await.unwrap().attempts, 1);
    assert_eq!(
        store.pending_mails(9).await,
        Ok(vec![mail("second")]),
        "the old code is mailed to nobody"
    );
    store.use_challenge(row.id, at(8)).await.unwrap();
    let late = ChallengeRow { issue: 3, ..next };
    assert_eq!(
        store.reissue_challenge(late, 2, mail("late")).await,
        Err(StoreError::Conflict),
        "it was used"
    );
    assert_eq!(
        store.reissue_challenge(challenge(), 1, mail("none")).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(store.pending_mails(9).await, Ok(vec![mail("second")]));
}

pub(crate) async fn a_mail_is_pending_until_it_is_queued(store: Handle) {
    for job in ["c", "a", "b"] {
        asked(&store, job).await;
    }
    assert_eq!(
        store.pending_mails(2).await,
        Ok(vec![mail("c"), mail("a")]),
        "oldest first"
    );
    assert_eq!(store.mail_queued("a".into()).await, Ok(()));
    assert_eq!(
        store.mail_queued("a".into()).await,
        Ok(()),
        "the same news again"
    );
    assert_eq!(store.pending_mails(9).await, Ok(vec![mail("c"), mail("b")]));
    assert_eq!(
        store.create_challenge(challenge(), mail("b")).await,
        Err(StoreError::Conflict)
    );
}

pub(crate) async fn what_became_of_a_mail_shows_in_its_challenge(store: Handle) {
    let (one, two) = (asked(&store, "one").await, asked(&store, "two").await);
    store.mail_queued("one".into()).await.unwrap();
    assert_eq!(
        store.challenge(one.id).await.unwrap().mail,
        MailState::Queued
    );
    store
        .mail_done("one".into(), MailState::Sent)
        .await
        .unwrap();
    store
        .mail_done("two".into(), MailState::Failed)
        .await
        .unwrap();
    store
        .mail_done("unknown".into(), MailState::Sent)
        .await
        .unwrap();
    assert_eq!(store.challenge(one.id).await.unwrap().mail, MailState::Sent);
    assert_eq!(
        store.challenge(two.id).await.unwrap().mail,
        MailState::Failed
    );
    assert_eq!(
        store.pending_mails(9).await,
        Ok(vec![]),
        "what is done is not to be sent again"
    );
}

async fn claim(store: &Handle, key: &str, millis: i64) -> Option<KeptAnswer> {
    store
        .claim_key("scope".into(), key.into(), [millis as u8; 32], at(millis))
        .await
        .unwrap()
}

fn answer(status: u16) -> KeptAnswer {
    KeptAnswer {
        digest: [0; 32],
        status,
        body: "{\"id\":1}".into(),
    }
}

pub(crate) async fn of_a_hundred_claims_of_a_key_one_goes_ahead(store: Handle) {
    let answers = at_once(100, &store, |store, _| async move {
        claim(&store, "k", 0).await
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 1);
    let under_way = KeptAnswer {
        digest: [0; 32],
        status: 0,
        body: String::new(),
    };
    assert!(answers.iter().flatten().all(|answer| *answer == under_way));
    assert_eq!(claim(&store, "another", 0).await, None);
    assert_eq!(
        store
            .claim_key("elsewhere".into(), "k".into(), [0; 32], at(0))
            .await,
        Ok(None)
    );
}

pub(crate) async fn a_kept_answer_is_given_to_everybody_for_a_day(store: Handle) {
    assert_eq!(claim(&store, "k", 0).await, None);
    assert_eq!(
        store
            .keep_answer("scope".into(), "k".into(), answer(201))
            .await,
        Ok(())
    );
    assert_eq!(claim(&store, "k", 5).await, Some(answer(201)));
    assert_eq!(claim(&store, "k", DAY - 1).await, Some(answer(201)));
    assert_eq!(claim(&store, "k", DAY).await, None);
    let unclaimed = store
        .keep_answer("scope".into(), "unclaimed".into(), answer(201))
        .await;
    assert_eq!(unclaimed, Err(StoreError::NotFound));
}

pub(crate) async fn a_claim_is_given_back_or_lapses(store: Handle) {
    assert_eq!(claim(&store, "k", 0).await, None);
    assert_eq!(
        store
            .keep_answer("scope".into(), "k".into(), answer(0))
            .await,
        Ok(())
    );
    assert_eq!(claim(&store, "k", 1).await, None, "given back");
    assert!(claim(&store, "k", 60_000).await.is_some());
    assert_eq!(
        claim(&store, "k", 60_001).await,
        None,
        "nobody answered for a minute"
    );
    assert!(claim(&store, "k", 60_002).await.is_some());
}

pub(crate) async fn a_signing_key_is_never_replaced(store: Handle) {
    let key = |kid: &str, millis, public| KeyRow {
        kid: kid.into(),
        sealed: vec![1, 2, 3],
        public: vec![public],
        created_at: at(millis),
        retires_at: None,
    };
    let (old, new) = (key("old", 0, 1), key("new", 1, 2));
    store.put_key(old.clone()).await.unwrap();
    store.put_key(new.clone()).await.unwrap();
    assert_eq!(store.keys().await, Ok(vec![new.clone(), old.clone()]));
    let retired = KeyRow {
        retires_at: Some(at(9)),
        ..old
    };
    assert_eq!(store.put_key(retired.clone()).await, Ok(()));
    assert_eq!(
        store.put_key(key("old", 5, 3)).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(store.keys().await, Ok(vec![new, retired]));
}

pub(crate) async fn a_secret_is_made_once(store: Handle) {
    let answers = at_once(50, &store, |store, caller| async move {
        store
            .secret("pepper".into(), vec![caller as u8; 32])
            .await
            .unwrap()
    })
    .await;
    assert!(answers.iter().all(|secret| *secret == answers[0]));
    assert_eq!(
        store.secret("cursor".into(), vec![200]).await,
        Ok(vec![200])
    );
}

pub(crate) async fn a_sweep_forgets_what_has_expired_and_nothing_else(store: Handle) {
    let row = asked(&store, "a").await;
    let (ada, dead, live) = (user(), session(user(), 0), session(user(), 0));
    let revoked = session(ada, 0);
    let mut living = live.clone();
    living.refresh_expires = at(10 * DAY);
    for device in [&dead, &living, &revoked] {
        store.create_session(device.clone()).await.unwrap();
    }
    store.revoke(ada, store::Revoke::All, at(1)).await.unwrap();
    claim(&store, "k", 0).await;
    assert_eq!(store.sweep(at(0)).await, Ok(0));
    assert_eq!(store.sweep(at(600_000)).await, Ok(1), "the mail");
    assert_eq!(store.pending_mails(9).await, Ok(vec![]));
    assert_eq!(store.sweep(at(DAY)).await, Ok(1), "the claim");
    assert_eq!(store.sweep(at(DAY + 1)).await, Ok(1), "the revoked device");
    assert_eq!(store.session(revoked.id).await, Err(StoreError::NotFound));
    assert_eq!(
        store.challenge(row.id).await.map(|row| row.used_at),
        Ok(None)
    );
    assert_eq!(store.sweep(at(DAY + 600_000)).await, Ok(1), "the challenge");
    assert_eq!(store.challenge(row.id).await, Err(StoreError::NotFound));
    assert_eq!(
        store.sweep(at(2 * DAY)).await,
        Ok(1),
        "the device whose token has ended"
    );
    assert_eq!(store.session(dead.id).await, Err(StoreError::NotFound));
    assert!(store.session(living.id).await.is_ok());
}
