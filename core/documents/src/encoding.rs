//! How positions in texts are counted.
use automerge::TextEncoding;

/// Positions and lengths are UTF-16 code units, in every language and on every
/// platform: what Kotlin, Java, JavaScript and Swift's text views count in, so that a
/// cursor needs no conversion at the language border. A Khmer letter is one unit.
/// Automerge's default differs between its builds, so it is passed wherever a
/// document is made or loaded. It is no part of any byte that is stored or sent
/// (docs/adr/0002-text-encoding.md).
pub const TEXT_ENCODING: TextEncoding = TextEncoding::Utf16CodeUnit;
