//! Compares docs/run.svg, which README.md shows, with what docs/picture.py draws from a snapshot. In a run that rewrites
//! the snapshots, it rewrites the picture too. Knows no server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::compare;

/// The snapshot that the picture shows.
pub const SNAPSHOT: &str = "first-apply";

#[test]
fn the_picture_of_a_run_is_drawn_from_its_snapshot() {
    if compare::updates() {
        return;
    }
    let picture = fs::read_to_string(file()).unwrap();
    assert!(
        picture == draw(),
        "docs/run.svg is not what docs/picture.py draws from the snapshot `{SNAPSHOT}`; \
         `python3 docs/picture.py tests/snapshots/{SNAPSHOT}.txt > docs/run.svg` draws it"
    );
}

#[test]
fn the_picture_needs_nothing_from_elsewhere() {
    let picture = draw();
    for part in ["<script", "<image", "<foreignObject", "href", "@import", "@font-face", "url("] {
        assert!(!picture.contains(part), "the picture has `{part}`");
    }
    assert!(picture.contains("prefers-color-scheme: dark"), "the picture has no colors for dark mode");
    assert!(picture.contains("0644 -&gt; 0600"), "the text of the picture is not escaped");
}

/// Draws the picture again, after its snapshot was rewritten.
pub fn update() {
    fs::write(file(), draw()).unwrap();
}

fn file() -> PathBuf {
    compare::root().join("docs/run.svg")
}

fn draw() -> String {
    let root = compare::root();
    let snapshot = root.join("tests/snapshots").join(SNAPSHOT).with_extension("txt");
    let run = Command::new("python3").arg(root.join("docs/picture.py")).arg(snapshot).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}
