//! `chatify contract`: the API's documents as files, from which clients generate their types.

use std::path::Path;

use crate::Failure;

/// Writes `openapi.json` and `asyncapi.json` into the folder.
pub(crate) fn write(folder: &Path) -> Result<String, Failure> {
    let (openapi, asyncapi) =
        node::contract::contract([auth::openapi(), node::api::admin::openapi()]);
    std::fs::create_dir_all(folder).map_err(Failure::of)?;
    for (name, document) in [("openapi.json", openapi), ("asyncapi.json", asyncapi)] {
        std::fs::write(folder.join(name), node::contract::text(&document)).map_err(Failure::of)?;
    }
    Ok(String::new())
}
