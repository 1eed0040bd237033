use super::*;
use std::fs;

async fn with_files() -> (House, TempDir) {
    let house = House::new(HttpFaults::none()).await;
    for (name, content) in
        [("model/config.json", "{}"), ("model/deep/er/weights", "12345"), ("model-2/config.json", ""), ("top", "1")]
    {
        house.store.put(&key(name), content.into()).await.unwrap();
    }
    (house, TempDir::new().unwrap())
}

/// Files as tools leave them, whose names are no keys of ours.
async fn put_odd(house: &House, name: &str, content: &[u8]) {
    let name = house.store.place.full(name);
    let put = house.store.client.put_object().bucket("bucket").key(name);
    put.body(content.to_vec().into()).send().await.unwrap();
}

#[tokio::test]
async fn the_objects_of_a_folder_are_listed_with_size_and_etag() {
    let (house, _) = with_files().await;
    put_odd(&house, "model/.gitattributes", b"x").await;
    put_odd(&house, "model/empty folder/", b"").await;
    let objects = house.store.objects("model").await.unwrap();
    let seen: Vec<_> = objects.iter().map(|object| (object.key.as_str(), object.size)).collect();
    assert_eq!(seen, [("model/.gitattributes", 1), ("model/config.json", 2), ("model/deep/er/weights", 5)]);
    for object in &objects {
        assert!(object.etag.is_some());
        assert_eq!(house.store.object(&object.key).await.unwrap().as_ref(), Some(object));
    }
    assert_eq!(house.store.objects("model/").await.unwrap(), objects);
    assert_eq!(house.store.objects("").await.unwrap().len(), 5);
    assert_eq!(house.store.objects("nothing").await.unwrap(), []);
    assert_eq!(house.store.object("nothing").await.unwrap(), None);
}

#[tokio::test]
async fn more_objects_than_a_page_holds_are_all_listed() {
    let (mut house, _) = with_files().await;
    house.store.sizes.page = 1;
    let keys: Vec<_> = house.store.objects("").await.unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["model-2/config.json", "model/config.json", "model/deep/er/weights", "top"]);
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let (house, folder) = with_files().await;
    let to = folder.path().join("x");
    let content: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    house.store.put(&key("large"), content.clone()).await.unwrap();
    // More often than a request may fail without any progress.
    house.server.faults().strike(14, "GET", "large", HttpFault::CutsBody);
    let object = house.store.download("large", &to).await.unwrap();
    assert_eq!(fs::read(&to).unwrap(), content);
    assert_eq!(Some(object), house.store.object("large").await.unwrap());
    assert_eq!(house.server.faults().struck(), 14);
}

#[tokio::test]
async fn an_object_that_changes_during_its_download_is_of_one_version() {
    let (house, folder) = with_files().await;
    let to = folder.path().join("x");
    house.store.put(&key("large"), vec![1; 100_000]).await.unwrap();
    let mut fetched = fetch::Fetched { object: None, bytes: 0 };
    let mut file = tokio::fs::File::create(&to).await.unwrap();
    house.server.faults().strike(1, "GET", "large", HttpFault::CutsBody);
    assert!(house.store.fetch_rest("large", &mut file, &mut fetched).await.is_err());
    assert!(fetched.bytes > 0 && fetched.object.is_some());
    house.store.put(&key("large"), vec![2; 90_000]).await.unwrap();
    assert!(house.store.fetch_rest("large", &mut file, &mut fetched).await.is_err(), "it is another object now");
    let object = house.store.fetch_rest("large", &mut file, &mut fetched).await.ok().unwrap();
    assert_eq!((object.size, fs::read(&to).unwrap()), (90_000, vec![2; 90_000]));
}

#[tokio::test]
async fn a_download_replaces_what_was_there_and_says_what_is_missing() {
    let (house, folder) = with_files().await;
    let to = folder.path().join("x");
    fs::write(&to, "something longer than the object").unwrap();
    assert_eq!(house.store.download("top", &to).await.unwrap().size, 1);
    assert_eq!(fs::read(&to).unwrap(), b"1");
    let error = house.store.download("nothing", &to).await.unwrap_err();
    assert_eq!(said(&error), "cannot read `s3://bucket/a store/nothing` / there is no such object");
    let error = house.store.download("top", &folder.path().join("no/folder")).await.unwrap_err();
    assert!(said(&error).starts_with(&format!("cannot write `{}/no/folder`", folder.path().display())));
}
