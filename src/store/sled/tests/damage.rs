//! Stores that were damaged, cut or are of another version.

use super::*;

#[tokio::test]
async fn a_damaged_snapshot_is_set_aside_and_nothing_is_lost() {
    let dir = tempdir().unwrap();
    for key in ["a", "b"] {
        let store = open(dir.path());
        store.commit(vec![], vec![put(key, b"1")]).await.unwrap();
        store.close().await;
    }
    let found = snapshots(dir.path());
    assert!(
        !found.is_empty(),
        "sled writes one when it opens what was there"
    );
    for path in &found {
        fs::write(path, b"not a snapshot at all").unwrap();
    }
    let store = open(dir.path());
    for key in ["a", "b"] {
        assert!(get(&store, key).await.unwrap().is_some(), "{key}");
    }
    assert_eq!(store.head().await, Ok(Revision(2)));
    let name = format!(
        "set-aside.0.{}",
        found[0].file_name().unwrap().to_string_lossy()
    );
    assert!(dir.path().join(name).exists());
}

#[tokio::test]
async fn a_log_that_was_cut_is_refused_and_left_as_it_is() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..300 {
        store
            .commit(vec![], vec![put(&number.to_string(), &[b'v'; 4000])])
            .await
            .unwrap();
    }
    store.close().await;
    open(dir.path()).close().await;
    let data = dir.path().join("db");
    let length = fs::metadata(&data).unwrap().len() / 2;
    fs::OpenOptions::new()
        .write(true)
        .open(&data)
        .unwrap()
        .set_len(length)
        .unwrap();
    let before = (fs::read(&data).unwrap(), snapshots(dir.path()));
    assert!(!before.1.is_empty());
    for _ in 0..2 {
        let error = refused(dir.path());
        assert!(
            matches!(error, OpenError::Damaged(..) | OpenError::Behind { .. }),
            "{error:?}"
        );
        assert!(
            (fs::read(&data).unwrap(), snapshots(dir.path())) == before,
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_store_that_is_behind_its_mark_is_refused_and_says_how_far() {
    let (dir, older) = (tempdir().unwrap(), tempdir().unwrap());
    let store = open(dir.path());
    store.commit(vec![], vec![put("a", b"1")]).await.unwrap();
    store.close().await;
    for name in ["conf", "db"] {
        fs::copy(dir.path().join(name), older.path().join(name)).unwrap();
    }
    let store = open(dir.path());
    store
        .commit(vec![], vec![Change::Delete(b"a".to_vec())])
        .await
        .unwrap();
    store.close().await;
    fs::copy(
        dir.path().join(mark::MARK_FILE),
        older.path().join(mark::MARK_FILE),
    )
    .unwrap();
    fs::create_dir(older.path().join("blobs")).unwrap();

    let error = refused(older.path());
    let OpenError::Behind {
        promised, found, ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((promised, found), (Revision(2), Revision(1)));
    // As the error says, it can be overruled.
    fs::remove_file(older.path().join(mark::MARK_FILE)).unwrap();
    assert_eq!(open(older.path()).head().await, Ok(Revision(1)));
}

#[tokio::test]
async fn a_directory_that_lost_its_log_is_not_taken_for_a_new_store() {
    let dir = tempdir().unwrap();
    open(dir.path()).close().await;
    for path in snapshots(dir.path()).iter().chain([&dir.path().join("db")]) {
        fs::remove_file(path).unwrap();
    }
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Behind { .. }), "{error:?}");
}

#[tokio::test]
async fn a_mark_that_cant_be_read_does_not_stop_the_start() {
    let dir = tempdir().unwrap();
    open(dir.path()).close().await;
    fs::write(dir.path().join(mark::MARK_FILE), b"").unwrap();
    open(dir.path()).close().await;
    assert!(
        mark::Mark::read(dir.path()).unwrap().is_some(),
        "and it is written again"
    );
}

#[tokio::test]
async fn a_snapshot_that_was_left_half_written_does_not_stop_the_start() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    store.commit(vec![], vec![put("a", b"1")]).await.unwrap();
    store.close().await;
    fs::write(dir.path().join("snap.FFFFFFFFFFFFFFFF.generating"), b"").unwrap();
    assert!(get(&open(dir.path()), "a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_flipped_byte_in_a_value_is_told_and_never_handed_out() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    store
        .commit(vec![], vec![put("a", b"sound"), put("b", b"sound")])
        .await
        .unwrap();
    store.close().await;
    let db = raw(dir.path());
    let stored = envelope::stored_key(b"a");
    let mut value = db.get(&stored).unwrap().unwrap().to_vec();
    *value.last_mut().unwrap() ^= 1;
    db.insert(stored, value).unwrap();
    drop(db);

    let store = open(dir.path());
    let damaged = StoreError::Damaged(b"a".to_vec());
    let a = || b"a".to_vec();
    assert_eq!(get(&store, "a").await, Err(damaged.clone()));
    assert_eq!(store.scan(vec![], None, 9).await, Err(damaged.clone()));
    assert_eq!(store.load(Load::One(a())).await, Err(damaged.clone()));
    for precondition in [
        Precondition::Absent(a()),
        Precondition::At(a(), Revision(1)),
    ] {
        let outcome = store.commit(vec![precondition], vec![put("c", b"")]).await;
        assert_eq!(outcome, Err(damaged.clone()));
    }
    assert_eq!(
        store
            .commit(vec![], vec![put("c", b""), put("a", b"")])
            .await,
        Err(damaged)
    );
    assert_eq!(
        get(&store, "c").await,
        Ok(None),
        "nothing of it was carried out"
    );
    assert_eq!(get(&store, "b").await.unwrap().unwrap().value, b"sound");
    // It can be removed, and then written again.
    store
        .commit(vec![], vec![Change::Delete(a())])
        .await
        .unwrap();
    store
        .commit(vec![Precondition::Absent(a())], vec![put("a", b"new")])
        .await
        .unwrap();
    assert_eq!(get(&store, "a").await.unwrap().unwrap().value, b"new");
}

#[tokio::test]
async fn a_later_format_is_refused_and_left_as_it_is() {
    let dir = tempdir().unwrap();
    open(dir.path()).close().await;
    let db = raw(dir.path());
    let mut meta = db.get(envelope::META_KEY).unwrap().unwrap().to_vec();
    meta[..4].copy_from_slice(&(envelope::FORMAT + 1).to_be_bytes());
    db.insert(envelope::META_KEY, meta.clone()).unwrap();
    drop(db);
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::NewerFormat(2)), "{error:?}");
    assert_eq!(
        raw(dir.path()).get(envelope::META_KEY).unwrap().unwrap(),
        meta
    );
}

#[tokio::test]
async fn records_without_the_stores_own_record_are_no_store() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    store.commit(vec![], vec![put("a", b"1")]).await.unwrap();
    store.close().await;
    let db = raw(dir.path());
    db.remove(envelope::META_KEY).unwrap();
    drop(db);
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Damaged(..)), "{error:?}");
}
