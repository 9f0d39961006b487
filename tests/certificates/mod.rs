//! Certificates of an authority that nobody else knows, for servers of tests. Made by `openssl`, new for each test.

use std::path::Path;
use std::process::Command;

/// Leaves in a folder: `ca.pem`, an authority of its own; `cert.pem` and `key.pem`, what it signed for these names, as
/// `subjectAltName` spells them: `DNS:localhost,IP:127.0.0.1`. Good for either end of a connection, for two days.
pub(crate) fn make(folder: &Path, names: &str) {
    let script = "
        curve='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $curve -keyout ca.key -out ca.pem -days 2 -subj '/CN=chatify test CA' \
            -addext basicConstraints=critical,CA:TRUE &&
        openssl req $curve -keyout key.pem -out leaf.csr -subj '/CN=chatify test' &&
        printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' \"$1\" >leaf.ext &&
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile leaf.ext -out cert.pem";
    let mut tool = Command::new("sh");
    tool.args(["-c", script, "sh", names]).current_dir(folder);
    let output = tool.output().expect("sh is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "no certificates: {said}");
}
