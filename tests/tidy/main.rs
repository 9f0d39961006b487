//! The house rules that a machine can check, so that people need not. Every rule is a function from what was read to a
//! list of complaints, and each has a test that plants a violation and sees it found: a rule that cannot fail is none.

mod crates;
mod documents;
mod files;
mod operations;
mod text;
mod tree;
mod versions;

use tree::Tree;

/// Fails with all complaints at once: who mends the house wants the whole list.
fn nothing_wrong(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn files_are_short_enough_to_be_read() {
    let tree = Tree::read();
    for long in files::over(&tree, files::LINES_AIM) {
        println!("look at it: {long}");
    }
    nothing_wrong(files::over(&tree, files::LINES_MAX));
}

#[test]
fn every_source_file_says_what_it_is_for() {
    nothing_wrong(files::without_opening(&Tree::read()));
}

#[test]
fn nothing_names_a_machine_or_a_registry_and_nothing_is_left_undone() {
    nothing_wrong(text::forbidden_words(&Tree::read()));
}

#[test]
fn crates_depend_in_one_direction() {
    nothing_wrong(crates::wrong_arrows(&Tree::read()));
}

#[test]
fn crates_take_versions_lints_and_no_features_from_the_top() {
    nothing_wrong(crates::wrong_manifests(&Tree::read()));
}

#[test]
fn the_pure_crates_know_no_runtime_no_clock_and_no_chance() {
    nothing_wrong(crates::impure(&Tree::read()));
}

#[test]
fn dependencies_are_newer_than_their_known_holes() {
    nothing_wrong(versions::too_old(&Tree::read().text("Cargo.lock")));
}

#[test]
fn the_lock_files_name_no_foreign_source() {
    nothing_wrong(versions::foreign_sources(&Tree::read()));
}

#[test]
fn the_generated_pages_are_what_the_binary_says() {
    for (page, command) in [
        ("docs/configuration.md", "config"),
        ("docs/metrics.md", "metrics"),
    ] {
        let said = documents::said_by_chatify(&[command, "--reference"]);
        nothing_wrong(documents::stale_reference(page, &Tree::read(), &said));
    }
}

#[test]
fn every_event_is_documented_and_the_docs_name_none_that_is_gone() {
    nothing_wrong(documents::events(&Tree::read()));
}

#[test]
fn every_error_code_has_its_page_and_every_page_its_code() {
    nothing_wrong(documents::errors(&Tree::read()));
}

#[test]
fn every_metric_is_documented_and_the_docs_name_none_that_is_gone() {
    nothing_wrong(documents::metrics(&Tree::read()));
}

#[test]
fn every_setting_of_the_image_and_the_composition_exists() {
    nothing_wrong(operations::unknown_settings(&Tree::read()));
}

#[test]
fn every_metric_of_the_dashboards_exists() {
    nothing_wrong(operations::unknown_metrics(&Tree::read()));
}
