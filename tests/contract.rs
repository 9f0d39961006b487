//! The committed documents, from which the web client's types are made, are those of this code.

use std::path::Path;

#[test]
fn the_committed_documents_are_fresh() {
    let (openapi, asyncapi) =
        node::contract::contract([auth::openapi(), node::api::admin::openapi()]);
    for (name, document) in [("openapi.json", openapi), ("asyncapi.json", asyncapi)] {
        let path = Path::new("web/contract").join(name);
        let committed = std::fs::read(&path).expect("a committed document");
        assert!(
            committed == node::contract::text(&document),
            "{} is stale: run `chatify contract --out web/contract`, then `npm run types` in web/",
            path.display()
        );
    }
}
