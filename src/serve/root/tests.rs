use super::*;

fn key() -> GivenRoot {
    GivenRoot::Key(Box::new(RootKey::mint().unwrap().0))
}

fn passphrase(text: &str) -> GivenRoot {
    GivenRoot::Passphrase(Passphrase::of_file(text).unwrap())
}

/// Of a passphrase, cheaply.
fn derived(text: &str) -> Proof {
    let salt = "argon2id m=64 t=1 p=1 salt=000102030405060708090a0b0c0d0e0f";
    let derivation = Derivation::parse(salt).unwrap();
    let passphrase = Passphrase::of_file(text).unwrap();
    let key = RootKey::derive(&passphrase, &derivation).unwrap();
    Proof {
        derivation: Some(derivation),
        check: key.check().unwrap(),
    }
}

#[test]
fn a_check_lets_the_right_root_key_through_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (right, wrong) = (RootKey::mint().unwrap().0, key());
    let given = GivenRoot::Key(Box::new(right));
    // Nothing is kept yet, so the store's own check must prove it.
    let (_, check) = RootCheck::prove(path, &given).unwrap();
    assert!(kept(path).unwrap().is_none());
    check.keep().unwrap();
    RootCheck::prove(path, &given).unwrap();
    let refused = RootCheck::prove(path, &wrong).err().unwrap();
    assert!(matches!(refused, RootError::Wrong));
    let refused = RootCheck::prove(path, &passphrase("correct horse")).err();
    assert!(matches!(refused, Some(RootError::IsAKey)));
}

#[test]
fn a_check_of_a_passphrase_says_how_it_is_derived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    keep_in(path, &[&derived("correct horse")]).unwrap();
    let prove = |given: GivenRoot| RootCheck::prove(path, &given).err();
    assert!(prove(passphrase("correct horse")).is_none());
    assert!(matches!(
        prove(passphrase("correct horsf")),
        Some(RootError::Wrong)
    ));
    assert!(matches!(prove(key()), Some(RootError::IsAPassphrase)));
}

#[test]
fn while_the_root_key_is_changed_either_is_right_until_one_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let old = key();
    let (_, proof) = old.anew().unwrap();
    keep_in(path, &[&proof, &derived("correct horse")]).unwrap();
    RootCheck::prove(path, &old).unwrap();
    assert!(matches!(
        RootCheck::prove(path, &key()).err(),
        Some(RootError::Wrong)
    ));
    let (_, check) = RootCheck::prove(path, &passphrase("correct horse")).unwrap();
    check.keep().unwrap();
    assert_eq!(kept(path).unwrap().unwrap().len(), 1);
    assert!(RootCheck::prove(path, &old).is_err());
}

#[test]
fn the_check_of_an_earlier_release_still_proves_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let right = RootKey::mint().unwrap().0;
    fs::write(folder.path().join(ROOT_CHECK), right.check().unwrap()).unwrap();
    RootCheck::prove(folder.path(), &GivenRoot::Key(Box::new(right))).unwrap();
    assert!(RootCheck::prove(folder.path(), &key()).is_err());
}

#[test]
fn a_check_that_was_tampered_with_is_damaged_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(ROOT_CHECK);
    let sound = format!("{HEADER}{}\n", derived("correct horse"));
    for bad in [
        String::new(),
        HEADER.to_owned(),
        sound.replace("check 1", "check 2"),
        sound.replace("m=64", "m=4000000"),
        sound.replace("check=", "check=00"),
        format!("{sound}\n"),
        sound.repeat(20),
    ] {
        fs::write(&path, bad).unwrap();
        let refused = RootCheck::prove(folder.path(), &passphrase("correct horse")).err();
        assert!(matches!(refused, Some(RootError::Damaged(_))));
    }
    fs::write(&path, &sound).unwrap();
    RootCheck::prove(folder.path(), &passphrase("correct horse")).unwrap();
}
