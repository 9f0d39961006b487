//! `chatify backup`, `restore`, `export` and `import` as an operator runs them.

use std::path::Path;
use std::process::{Command, Output};

struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn run_on(&self, data: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_chatify"))
            .env_clear()
            .env("CHATIFY_DATA", self.at(data))
            .args(arguments)
            .output()
            .expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (status.code(), text(stdout), text(stderr))
    }

    /// What it said on success.
    fn well(&self, data: &str, arguments: &[&str]) -> String {
        let (code, said, wrong) = self.run_on(data, arguments);
        assert_eq!((code, wrong.as_str()), (Some(0), ""), "{arguments:?}");
        said
    }

    /// What it said on failure, with status 1 and one line.
    fn ill(&self, data: &str, arguments: &[&str]) -> String {
        let (code, said, wrong) = self.run_on(data, arguments);
        assert_eq!((code, said.as_str()), (Some(1), ""), "{arguments:?}");
        assert_eq!(wrong.trim_end().lines().count(), 1, "{wrong}");
        wrong
    }

    fn seeded(&self) {
        let out = self.at("tokens");
        let seed = [
            "seed",
            "--users",
            "50",
            "--rooms",
            "20",
            "--members",
            "10",
            "--out",
            &out,
        ];
        self.well("first", &seed);
    }
}

fn content(said: &str) -> &str {
    let (_, content) = said.split_once("content ").expect("a digest");
    &content[..64]
}

#[test]
fn a_store_is_copied_exported_restored_and_imported_with_the_same_content() {
    let house = House::new();
    house.seeded();
    let (copy, archive, again) = (house.at("copy.db"), house.at("archive"), house.at("again"));
    assert!(house.well("first", &["backup", &copy]).contains("restore"));
    let exported = house.well("first", &["export", &archive]);
    assert!(exported.starts_with("20 rooms, 200 entries, 50 people, 50 devices"));

    let restored = house.well("second", &["restore", &copy]);
    assert!(restored.contains("new epoch"), "{restored}");
    let of_copy = house.well("second", &["export", &again]);
    assert_eq!(content(&of_copy), content(&exported));

    let whole = house.well("first", &["import", "--check", &archive]);
    assert_eq!(content(&whole), content(&exported));
    let moved = house.well("third", &["import", "--moved", &archive]);
    assert!(
        moved.contains("50 devices") && moved.contains("as they were"),
        "{moved}"
    );
    let fourth = house.well("fourth", &["restore", &archive]);
    assert!(
        fourth.contains("0 devices") && fourth.contains("signs in again"),
        "{fourth}"
    );
    assert_eq!(content(&fourth), content(&exported));
    assert!(!Path::new(&house.at("fourth/chatify.db.half")).exists());
}

#[test]
fn what_cannot_be_done_is_one_line_and_leaves_nothing() {
    let house = House::new();
    let out = house.at("out");
    assert!(
        house
            .ill("first", &["backup", &out])
            .contains("there is no file")
    );
    house.seeded();
    let archive = house.at("archive");
    house.well("first", &["export", &archive]);
    assert!(
        house
            .ill("first", &["export", &archive])
            .contains("is there already")
    );
    assert!(
        house
            .ill("first", &["import", &archive])
            .contains("is there already: move it away")
    );
    let nowhere = house.at("no/such/folder/out");
    assert!(
        house
            .ill("first", &["backup", &nowhere])
            .contains("cannot write")
    );

    let bytes = std::fs::read(&archive).expect("it is there");
    let cut = house.at("cut");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("written");
    for command in [
        &["restore", &cut][..],
        &["import", &cut],
        &["import", "--check", &cut],
    ] {
        assert!(house.ill("other", command).contains("ends early"));
    }
    assert!(!Path::new(&house.at("other/chatify.db")).exists());
    let wrong = house.ill("other", &["restore", &house.at("tokens")]);
    assert!(wrong.contains("no archive of chatify"), "{wrong}");
    let nobody = house.ill("first", &["export", "--person", "nobody@example.org", &out]);
    assert!(nobody.contains("nobody with the id or address"), "{nobody}");
    assert!(!Path::new(&out).exists());
}
