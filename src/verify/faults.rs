//! What `--faults` breaks, by the script that runs the local cluster: nothing here knows how a part is started.

use std::path::Path;
use std::process::{Command, Stdio};

use client::Fault;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
struct Endpoints {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    name: String,
}

/// Draws the node that is to be restarted.
///
/// # Errors
/// When there is no local cluster.
pub(crate) fn draw_node(endpoints: &Path) -> Result<String, Fault> {
    let wrong = |why: String| {
        Fault(format!(
            "{} (`--endpoints`): {why}; `--faults` needs a cluster of `make cluster` on this machine",
            endpoints.display()
        ))
    };
    let text = std::fs::read(endpoints).map_err(|error| wrong(error.to_string()))?;
    let Endpoints { mut nodes } =
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if nodes.is_empty() {
        return Err(wrong("it names no node".into()));
    }
    let drawn = Uuid::new_v4().as_u128() % nodes.len() as u128;
    Ok(nodes.swap_remove(drawn as usize).name)
}

/// Restarts it; returns when it is up again. Blocks.
///
/// # Errors
/// When it did not come up.
pub(crate) fn restart(node: &str) -> Result<(), Fault> {
    let ended = Command::new("make")
        .args(["--silent", "cluster-restart", &format!("WHAT={node}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|error| Fault(format!("make cluster-restart: {error}")))?;
    if ended.status.success() {
        return Ok(());
    }
    Err(Fault(format!(
        "make cluster-restart WHAT={node}: {}",
        String::from_utf8_lossy(&ended.stderr).trim()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_drawn_from_the_file_of_the_local_cluster() {
        let file = std::env::temp_dir().join(format!("chatify-endpoints-{}", Uuid::new_v4()));
        let text = r#"{"lb":"http://127.0.0.1:1","nodes":[{"name":"node-a","pid":1}]}"#;
        std::fs::write(&file, text).expect("a file");
        assert_eq!(draw_node(&file).as_deref(), Ok("node-a"));
        std::fs::remove_file(&file).expect("gone");
        assert!(draw_node(&file).is_err_and(|fault| fault.0.contains("make cluster")));
    }
}
