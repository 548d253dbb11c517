//! A Markdown page: its commands in the order of the page, in blocks and in the text, and its other blocks.

/// A part of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The language of a block without attributes, or [`INLINE`].
    pub(super) language: String,
    pub(super) text: String,
    /// The block of text after it, if no code is between the two: the output that the page shows.
    pub(super) output: Option<String>,
}

/// The language of a command in the text.
pub(super) const INLINE: &str = "inline";

/// Returns the blocks of a page, and the code in its text, in their order. A prompt `$ ` is removed.
pub(super) fn parts(page: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    // Between fences, every second piece is a block.
    for (number, piece) in page.split("```").enumerate() {
        if number % 2 == 0 {
            let codes = piece.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " "));
            parts.extend(codes.map(|text| Part { language: INLINE.into(), text, output: None }));
            continue;
        }
        let (language, text) = piece.split_once('\n').unwrap_or_default();
        if language == "text" {
            if let Some(before) = parts.last_mut().filter(|part| part.language != INLINE) {
                before.output = Some(text.to_owned());
            }
            continue;
        }
        // The last line may be the indentation of the fence.
        let lines = text.trim_end().lines().map(|line| line.trim_start().trim_start_matches("$ "));
        let text = lines.map(|line| format!("{line}\n")).collect();
        parts.push(Part { language: language.into(), text, output: None });
    }
    parts
}

/// Returns the blocks of a language.
pub(super) fn blocks(page: &str, language: &str) -> Vec<String> {
    let of_language = parts(page).into_iter().filter(|part| part.language == language);
    of_language.map(|part| part.text).collect()
}

/// Returns the words of a command's output: pages align columns by spaces.
pub(super) fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn a_page_has_its_commands_in_order_with_their_outputs() {
    let page =
        "Run `aws a\n--b`:\n\n```sh\nc \\\n  d\n```\n\n```text\ne  f\n```\n\n  ```console\n  $ g\n  ```\n";
    let part = |language: &str, text: &str, output: Option<&str>| Part {
        language: language.into(),
        text: text.into(),
        output: output.map(Into::into),
    };
    let expected = [
        part(INLINE, "aws a --b", None),
        part("sh", "c \\\nd\n", Some("e  f\n")),
        part("console", "g\n", None),
    ];
    assert_eq!(parts(page), expected);
}
