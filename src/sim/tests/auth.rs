//! Logins and tokens.

use serde_json::Value;

use super::*;

fn refused(sim: &Sim, authorization: &str, form: &str) -> (u16, String) {
    let reply = login_with(sim, authorization, form);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    (reply.status, body["error"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_login_gives_a_token_that_opens_the_api() {
    let client = Client::new(Options::quiet());
    assert_eq!(client.token.split('.').count(), 3);
    assert_eq!(client.json("/api/v2/account")["uid"], "ab1c0002");
    assert_eq!(client.sim.traffic().logins, 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_clients_grants_and_credentials_are_told_apart() {
    let sim = Sim::new(Options::quiet(), Clock::manual(START));
    assert_eq!(refused(&sim, "Basic d3Jvbmc6Y2xpZW50", FORM), (401, "unauthorized".to_owned()));
    assert_eq!(refused(&sim, BASIC, "grant_type=refresh_token"), (400, "unsupported_grant_type".to_owned()));
    let bad = FORM.replace("0001&", "0002&");
    assert_eq!(refused(&sim, BASIC, &bad), (400, "invalid_grant".to_owned()));
    // Not percent-encoded, the plus sign of the secret arrives as a blank.
    let unencoded = "grant_type=password&username=SIMULATEDKEY0001&password=simulated+secret%2F0001%26%3D";
    assert_eq!(refused(&sim, BASIC, unencoded).0, 400);
    assert_eq!(sim.traffic().refused_logins, 4);
}

#[tokio::test(start_paused = true)]
async fn no_token_or_an_old_one_is_refused() {
    let mut client = Client::new(Options { token_lifetime_seconds: 100, ..Options::quiet() });
    pass(99).await;
    assert_eq!(client.get("/api/v2/account").status, 200);
    pass(1).await;
    assert_eq!(client.get("/api/v2/account").status, 401);
    client.token = login(&client.sim).unwrap();
    assert_eq!(client.get("/api/v2/account").status, 200);
    client.sim.apply(&Command { kind: Act::RevokeTokens, ..Command::default() }).unwrap();
    assert_eq!(client.get("/api/v2/account").status, 401);
    client.token = "made up".to_owned();
    assert_eq!(client.get("/api/v2/account/sites").status, 401);
    assert_eq!(client.get("/api/v2/system/status").status, 200, "the one endpoint that needs no token");
}

#[tokio::test(start_paused = true)]
async fn the_login_is_at_the_root_and_posted() {
    let client = Client::new(Options::quiet());
    assert_eq!(client.get("/auth/oauth/token").status, 405);
    assert_eq!(client.get("/api/auth/oauth/token").status, 404);
}

#[tokio::test(start_paused = true)]
async fn going_on_after_429_ends_in_a_block_of_everything() {
    let client = Client::new(Options { request_limit: 10, block_after: 5, ..Options::quiet() });
    let replies: Vec<Reply> = (0..30).map(|_| client.get("/api/v2/account")).collect();
    let count = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    // The login took one of the ten.
    assert_eq!((count(200), count(429), count(403)), (9, 6, 15));
    assert_eq!(replies[6].delay, Duration::ZERO);
    assert_eq!(replies[7].delay, Duration::from_secs(1), "the brake");
    assert_eq!(login(&client.sim), None, "a block is for logins too");
    assert!(String::from_utf8_lossy(&replies[29].body).starts_with("<html>"));
    pass(300).await;
    assert_eq!(client.get("/api/v2/account").status, 200);
    let traffic = client.sim.traffic();
    assert_eq!((traffic.too_many, traffic.blocked, traffic.max_in_window), (6, 16, 16));
}
