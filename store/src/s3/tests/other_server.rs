use super::*;
use std::time::{SystemTime, UNIX_EPOCH};

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
#[expect(clippy::disallowed_methods, reason = "only this test and the person who runs it know the server")]
async fn another_server_keeps_the_contract() {
    let Ok(endpoint) = std::env::var("BOWLINE_TEST_S3_URL") else {
        println!("skipped: BOWLINE_TEST_S3_URL names no S3 server, such as http://127.0.0.1:5000");
        return;
    };
    let settings = S3Settings {
        endpoint: Some(endpoint),
        credentials: Some(S3Credentials::new("test", "test")),
        ..S3Settings::default()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let bucket = format!("bowline-test-{}", now.as_nanos());
    let client = connect::connect(&settings).await.unwrap().client;
    client.create_bucket().bucket(&bucket).send().await.unwrap();
    for rule in RULES {
        println!("{}", rule.name);
        let place = S3Place::new(&bucket, rule.name).unwrap();
        (rule.check)(Arc::new(S3Backend::open(place, &settings).await.unwrap())).await;
    }
    in_pieces(&S3Backend::open(S3Place::new(&bucket, "in pieces").unwrap(), &settings).await.unwrap()).await;
}

async fn in_pieces(store: &S3Backend) {
    let store = S3Backend { sizes: Sizes { whole: 1 << 20, piece: 5 << 20, ..SIZES }, ..store.clone() };
    let content: Vec<u8> = (0..=250).cycle().take(6 << 20).collect();
    assert_eq!(store.put_if_absent(&key("x"), content.clone()).await.unwrap(), Put::Created);
    assert_eq!(store.put_if_absent(&key("x"), vec![0; 2 << 20]).await.unwrap(), Put::Exists);
    assert!(store.get(&key("x")).await.unwrap() == Some(content));
}
